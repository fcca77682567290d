"""Episodes in formats that users have already: robomimic's HDF5, LeRobotDataset v3, LLaVA conversations."""
