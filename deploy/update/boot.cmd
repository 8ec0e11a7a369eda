# U-Boot's boot script: which slot, one try less, both told to Linux. Pairs with update/bootstate.py.
# Two copies of the state lie on partition `state`; the older one is overwritten and read back.
setenv at 0x46000000
setenv back 0x46010000
part start virtio 0 state start
setexpr other ${start} + 0x400
setenv names "BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_TRIAL BOOT_COUNTER BOOT_SEQ"
setenv load_copy 'env delete BOOT_SEQ BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_TRIAL BOOT_COUNTER; virtio read ${at} ${place} 8 && env import -c ${at} 0x1000 ${names} && test -n "${BOOT_SEQ}"'
setenv seq1; setenv seq2
setenv place ${start}; if run load_copy; then setenv seq1 ${BOOT_SEQ}; fi
setenv place ${other}; if run load_copy; then setenv seq2 ${BOOT_SEQ}; fi
# The older or the broken one is written next; numbers are hexadecimal.
if test -n "${seq1}" && test -n "${seq2}"; then
  if itest ${seq2} -gt ${seq1}; then setenv newer ${other}; setenv older ${start};
  else setenv newer ${start}; setenv older ${other}; fi
elif test -n "${seq2}"; then setenv newer ${other}; setenv older ${start};
elif test -n "${seq1}"; then setenv newer ${start}; setenv older ${other};
else setenv newer; setenv older ${start}; fi
if test -n "${newer}"; then
  setenv place ${newer}; run load_copy
else
  # Neither copy counts: no counter is known, and so no bundle is taken before a slot is good again.
  echo "posfw: no boot state"
  setenv BOOT_ORDER "A B"; setenv BOOT_SEQ 0
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
  setenv BOOT_TRIAL; setenv BOOT_COUNTER
fi
setenv pick 'setenv slot; for s in ${BOOT_ORDER}; do if test -z "${slot}"; then if test ${s} = A && test ${BOOT_A_LEFT} -gt 0; then setenv slot A; fi; if test ${s} = B && test ${BOOT_B_LEFT} -gt 0; then setenv slot B; fi; fi; done'
run pick
if test -z "${slot}"; then
  # Nothing has a try left: what is in the order begins again, what is out stays out.
  for s in ${BOOT_ORDER}; do
    if test ${s} = A; then
      setenv BOOT_A_LEFT 3
    else
      setenv BOOT_B_LEFT 3
    fi
  done
  run pick
fi
if test ${slot} = A; then setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1; else setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1; fi
setexpr BOOT_SEQ ${BOOT_SEQ} + 1
env export -c -s 0x1000 ${at} ${names}
virtio write ${at} ${older} 8
mw.b ${back} 0 0x1000
virtio read ${back} ${older} 8
if cmp.b ${at} ${back} 0x1000; then setenv kept yes; else
  # A start that cannot be counted is still a start: the terminal says it (UPD-207).
  echo "posfw: boot state is not kept"; setenv kept no
fi
echo "posfw: slot ${slot} order ${BOOT_ORDER} left ${BOOT_A_LEFT} ${BOOT_B_LEFT} trial ${BOOT_TRIAL} counter ${BOOT_COUNTER} seq ${BOOT_SEQ}"
part number virtio 0 kernel${slot} kpart
setenv bootargs "console=ttyAMA0 loglevel=4 panic=1 posfw.slot=${slot} rauc.slot=${slot} posfw.bootstate=${kept}"
if load virtio 0:${kpart} ${kernel_addr_r} vmlinuz; then
  if load virtio 0:${kpart} ${ramdisk_addr_r} initrd.gz; then
    booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
  fi
fi
echo "posfw: slot ${slot} does not start"
reset
