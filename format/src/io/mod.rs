//! Positioned reading, and the file-system seam.
