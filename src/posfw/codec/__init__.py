"""Wire formats shared by slices: strict CBOR, BER-TLV, framing."""
