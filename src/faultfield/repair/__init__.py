"""The mend: choose what to demonstrate, gather it, fine-tune, and compare before and after."""
