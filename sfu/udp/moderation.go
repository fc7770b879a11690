package udp

import "time"

const (
	// moderateFrom is how many datagrams of viewers a second make it worth letting some gather, and moderateLive while a
	// caster sends. To be woken by a datagram costs 20 to 50 µs on a machine that sleeps in between, to answer it 2 to 5
	// (2026-11).
	moderateFrom = 500
	moderateLive = 2000
	// pauseIdle and pauseLive are how long the reader lets them gather, while no caster sends and while one does, whose
	// packets wait with them. A resend that waits for them is late by as much; the viewer's own round trip is longer.
	pauseIdle = 4 * time.Millisecond
	pauseLive = time.Millisecond
	// quietFor is after how long a caster's last datagram counts no more.
	quietFor = int64(200 * time.Millisecond)

	rateWindow = int64(100 * time.Millisecond)
)

// moderation decides when the reader of the socket lets datagrams gather instead of being woken for each, as network
// cards do with interrupts. It belongs to the reader. The zero value is ready; times are in nanoseconds of one clock.
type moderation struct {
	began int64 // of the window
	count int   // viewers' datagrams in it
	rate  int   // a second, by the window before
	media int64 // when another's datagram came last
}

// after says how long to rest after a batch of all datagrams, of which own were viewers'.
func (m *moderation) after(own, all int, now int64) time.Duration {
	if since := now - m.began; since >= rateWindow {
		m.rate = int(int64(m.count) * int64(time.Second) / since)
		m.began, m.count = now, 0
	}
	m.count += own
	if own < all {
		m.media = now
		return 0 // the rest of a frame is on its way
	}
	live := m.media != 0 && now-m.media < quietFor
	switch {
	case live && m.rate >= moderateLive:
		return pauseLive
	case !live && m.rate >= moderateFrom:
		return pauseIdle
	}
	return 0
}
