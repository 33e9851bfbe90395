"""One widget per file. A widget shows what it is given and posts messages; it reaches neither up nor sideways."""
