"""How histories of training name the weights of losses; without torch, for those who show them."""

# What columns start with: "weight/LOSS" and "module/LOSS/MODULE".
WEIGHT, MODULE = "weight/", "module/"
