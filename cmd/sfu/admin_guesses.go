package main

import (
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	guessesPerMinute = 5
	maxGuessers      = 1024
)

// guesses counts wrong admin tokens by address.
type guesses struct {
	mu sync.Mutex
	// guarded by mu
	by map[string]*rate.Limiter
}

// blocked says whether an address has guessed too often in the last minute; remote is host:port.
func (g *guesses) blocked(remote string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.by[bareHost(remote)]
	return l != nil && l.TokensAt(now) < 1
}

// add counts a wrong token.
func (g *guesses) add(remote string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	host := bareHost(remote)
	l := g.by[host]
	if l == nil {
		if len(g.by) >= maxGuessers {
			clear(g.by) // 128 bits are not guessed from so many addresses either
		}
		l = rate.NewLimiter(rate.Every(time.Minute/guessesPerMinute), guessesPerMinute)
		g.by[host] = l
	}
	l.AllowN(now, 1)
}

func bareHost(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
