#!/bin/sh
# Every op, weight type and variant on this device against the reference, as a user would ask for it.
"$HEKLA" selftest --device 0 || exit 1
