"""Charts that several sections or commands draw."""
