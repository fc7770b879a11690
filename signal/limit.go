package signal

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the addresses that one limit remembers, about 100 bytes each. Addresses beyond it share one
// bucket, so that somebody with very many addresses gains nothing by filling the table.
const maxBuckets = 65536

// addressLimit is a token bucket per address: IPv4 alone, IPv6 by /64, for that is what one subscriber holds. It
// is guarded by Hub.mu.
type addressLimit struct {
	rate    rate.Limit
	burst   int
	max     int
	buckets map[netip.Prefix]*rate.Limiter
	shared  *rate.Limiter // for addresses that found the table full
	pruned  time.Time
}

func newAddressLimit(perMinute float64, burst int) *addressLimit {
	every := rate.Limit(perMinute / 60)
	return &addressLimit{
		rate: every, burst: burst, max: maxBuckets,
		buckets: map[netip.Prefix]*rate.Limiter{}, shared: rate.NewLimiter(every, burst),
	}
}

// wait is how long addr has to wait before it may try again: 0 when it may try now. It takes no token.
func (l *addressLimit) wait(addr netip.Addr, now time.Time) time.Duration {
	b := l.buckets[network(addr)]
	if b == nil {
		if len(l.buckets) < l.max {
			return 0
		}
		b = l.shared
	}
	missing := 1 - b.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.rate) * float64(time.Second))
}

// take uses a token of addr and says how many whole ones are left.
func (l *addressLimit) take(addr netip.Addr, now time.Time) int {
	key := network(addr)
	b := l.buckets[key]
	if b == nil {
		l.prune(now)
		if b = l.shared; len(l.buckets) < l.max {
			b = rate.NewLimiter(l.rate, l.burst)
			l.buckets[key] = b
		}
	}
	b.AllowN(now, 1)
	return max(0, int(b.TokensAt(now)))
}

// prune forgets buckets that are full again, which is what an unknown address has anyway. Once a minute is enough
// to keep the table near the number of addresses that failed lately.
func (l *addressLimit) prune(now time.Time) {
	if now.Sub(l.pruned) < time.Minute {
		return
	}
	l.pruned = now
	for key, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, key)
		}
	}
}

// network is what an address is counted by.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all: everybody of that kind shares a bucket
	}
	return prefix
}

// tokensPerSecond and tokenBurst bound the messages and control frames of one socket.
const (
	tokensPerSecond = 30
	tokenBurst      = 60
	// strikesPerSecond and strikeBurst say how long a socket may go on beyond that: a client that is a little too
	// fast is told so for ever, one that floods is closed after 30 refusals.
	strikesPerSecond = 2
	strikeBurst      = 30
)

// pace is the flood limit of one socket, owned by its reader.
type pace struct {
	tokens, strikes *rate.Limiter
}

func newPace() pace {
	return pace{
		tokens:  rate.NewLimiter(tokensPerSecond, tokenBurst),
		strikes: rate.NewLimiter(strikesPerSecond, strikeBurst),
	}
}

// allow takes a token. When there is none, flood says whether the socket has been at it for too long.
func (p pace) allow(now time.Time) (ok, flood bool) {
	if p.tokens.AllowN(now, 1) {
		return true, false
	}
	return false, !p.strikes.AllowN(now, 1)
}
