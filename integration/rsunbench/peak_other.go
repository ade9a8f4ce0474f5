//go:build unix && !amd64

package main

const roundFlops = 1

func fuse(int) bool { return false }
