#!/bin/sh
# expect_status.sh STATUS COMMAND [ARGUMENT...]: succeeds when the command ends with that exit status.
want=$1
shift
"$@"
got=$?
[ "$got" -eq "$want" ] && exit 0
echo "expect_status: exit status $got, expected $want"
exit 1
