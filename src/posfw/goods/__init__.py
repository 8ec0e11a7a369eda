"""Catalogue, baskets and deliveries."""
