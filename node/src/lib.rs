#![doc = "node"]
