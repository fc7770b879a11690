package turn

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// An address may have a burst of answers that need no credentials, and then so many a second. They are
	// longer than the requests, and the address of a request may be a lie.
	answerBurst = 500
	answerRate  = 50

	maxBuckets = 4096
	sweepEvery = 100 * time.Millisecond
)

// bucket is a token bucket.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes n tokens if there are that many, after adding those that rate (per second) has given since.
func (b *bucket) take(n, rate, burst float64, now time.Time) bool {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(burst, b.tokens+rate*passed.Seconds())
		b.at = now
	}
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// answerBudget counts the answers to each address, IPv6 by /64. Its memory is bounded: when too many addresses are
// in it that have not recovered, all new ones share one bucket.
type answerBudget struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]*bucket
	rest   bucket // of those for whom there was no room
	swept  time.Time
}

func newAnswerBudget() *answerBudget {
	return &answerBudget{byAddr: make(map[netip.Addr]*bucket)}
}

// take says whether ip may have one more answer.
func (a *answerBudget) take(ip netip.Addr, now time.Time) bool {
	if ip.Is6() {
		if net64, err := ip.Prefix(64); err == nil {
			ip = net64.Addr()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.byAddr[ip]
	if b == nil {
		if len(a.byAddr) >= maxBuckets && now.Sub(a.swept) >= sweepEvery {
			a.swept = now
			a.sweep(now)
		}
		if len(a.byAddr) >= maxBuckets {
			b = &a.rest
		} else {
			b = &bucket{tokens: answerBurst, at: now}
			a.byAddr[ip] = b
		}
	}
	return b.take(1, answerRate, answerBurst, now)
}

// sweep forgets those that are full again: a new bucket is full too. The caller holds mu.
func (a *answerBudget) sweep(now time.Time) {
	for ip, b := range a.byAddr {
		if b.tokens+answerRate*now.Sub(b.at).Seconds() >= answerBurst {
			delete(a.byAddr, ip)
		}
	}
}
