"""The build program: takes a source to a tested, published image, and says why when it cannot."""
