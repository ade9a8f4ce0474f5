# Sourced by deploy.sh and cleanup.sh, which define root, say and die.
# shellcheck shell=bash

# tool NAME MODULE-PATH: the program from the PATH, or else built from what integration/tools pins.
tool() {
	local found
	if found=$(command -v "$1"); then
		echo "$found"
		return
	fi
	command -v go >/dev/null || die "$1 is not installed, and neither is go to build it"
	say "building $1"
	mkdir -p "$root/bin"
	CGO_ENABLED=0 go -C "$root/integration/tools" build -trimpath -o "$root/bin/$1" "$2" || die "$1 could not be built"
	echo "$root/bin/$1"
}
