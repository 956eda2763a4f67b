"""Active/passive pairs over a journal. Comes with the cluster issue; nothing here yet."""
