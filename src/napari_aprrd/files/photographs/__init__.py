"""PNG and JPEG, with what cameras write into them."""
