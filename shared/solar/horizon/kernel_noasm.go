//go:build !amd64

package horizon

func advance(g *lineStep) { advanceGo(g) }

func see(g *lineStep) { seeGo(g) }
