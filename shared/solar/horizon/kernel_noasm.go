//go:build !amd64

package horizon

func advance(g *front) { advanceGo(g) }

func see(g *front) { seeGo(g) }
