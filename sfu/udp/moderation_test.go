package udp

import (
	"testing"
	"time"
)

// feed gives m one batch every gap for a second and returns what it said last.
func feed(m *moderation, own, all int, gap time.Duration, now *int64) (last time.Duration) {
	for end := *now + int64(time.Second); *now < end; *now += int64(gap) {
		last = m.after(own, all, *now)
	}
	return last
}

func TestModeration(t *testing.T) {
	var m moderation
	now := int64(1)
	if got := feed(&m, 1, 1, 10*time.Millisecond, &now); got != 0 {
		t.Errorf("rests %v at 100 datagrams a second", got)
	}
	if got := feed(&m, 1, 1, time.Millisecond, &now); got != pauseIdle {
		t.Errorf("rests %v at 1,000 datagrams a second without a caster, want %v", got, pauseIdle)
	}
	if got := m.after(1, 2, now); got != 0 {
		t.Errorf("rests %v behind a caster's packet", got)
	}
	if got := m.after(1, 1, now+int64(time.Millisecond)); got != 0 {
		t.Errorf("rests %v at 1,000 datagrams a second while a caster sends", got)
	}
	for end := now + int64(time.Second); now < end; now += int64(time.Millisecond) {
		m.after(4, 5, now)
	}
	if got := m.after(4, 4, now); got != pauseLive {
		t.Errorf("rests %v at 4,000 datagrams a second while a caster sends, want %v", got, pauseLive)
	}
	now += 2 * quietFor
	if got := feed(&m, 1, 1, time.Millisecond, &now); got != pauseIdle {
		t.Errorf("rests %v after the caster has stopped, want %v", got, pauseIdle)
	}
	if got := feed(&m, 1, 1, 100*time.Millisecond, &now); got != 0 {
		t.Errorf("rests %v at 10 datagrams a second again", got)
	}
	if got := feed(&m, 0, 1, time.Millisecond, &now); got != 0 {
		t.Errorf("rests %v when only casters send", got)
	}
}
