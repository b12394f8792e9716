# Reads what pip prints, and says what a person waits for: each large download, and when the unpacking begins.
/^ *(Downloading|Using cached) .*\(.*\)$/ {
  size = $0; sub(/.*\(/, "", size); sub(/\)$/, "", size)
  name = $0; sub(/^ *(Downloading|Using cached) /, "", name); sub(/^.*\//, "", name); sub(/-[0-9].*/, "", name)
  split(size, number, " ")
  if (number[2] == "GB" || (number[2] == "MB" && number[1] >= 20)) print "  downloading " name " (" size ")"
}
/^ *Building wheel for / && !built[$4]++ { print "  building " $4 }
/^Installing collected packages/ { print "  unpacking " NF - 3 " packages" }
/^(ERROR|WARNING)|error/ { print }
{ fflush() }
