"""Look at a sample of any log and propose the section of the settings that reads it."""
