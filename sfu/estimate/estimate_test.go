package estimate

import (
	"testing"
	"time"
)

const second = int64(time.Second)

// path is a viewer behind a link of some capacity, who gets what a sender sends at the estimate or its own rate.
type path struct {
	r        Reports
	now      int64
	bytes    uint64
	capacity int // bit/s
	wants    int // bit/s that the sender would send
	remb     bool
}

// second lets one second pass.
func (p *path) second() {
	rate := p.wants
	if e := p.r.Rate(); e != 0 {
		rate = min(rate, e)
	}
	p.now += second
	p.bytes += uint64(rate / 8)
	p.r.Sent(p.bytes, p.now)
	lost := max(rate-p.capacity, 0) * 256 / rate
	p.r.Loss(uint8(min(lost, 255)), p.now)
	p.r.RoundTrip(30*time.Millisecond, p.now)
	if p.remb {
		p.r.Bitrate(uint64(min(rate*3/2, p.capacity)), p.now)
	}
}

func TestUnknownWhileNothingLimits(t *testing.T) {
	for _, remb := range []bool{false, true} {
		p := path{capacity: 10_000_000, wants: 2_500_000, remb: remb}
		for range 120 {
			if p.second(); p.r.Rate() != 0 {
				t.Fatalf("REMB %v: %d on a path that loses nothing", remb, p.r.Rate())
			}
		}
		for range 20 { // two percent at random are no congestion
			p.r.Loss(5, p.now)
			if p.second(); p.r.Rate() != 0 {
				t.Fatalf("%d for 2 %% of loss", p.r.Rate())
			}
		}
	}
}

func TestFindsTheCapacityAndStaysThere(t *testing.T) {
	for _, remb := range []bool{false, true} {
		for _, capacity := range []int{200_000, 1_000_000} {
			p := path{capacity: capacity, wants: 2_500_000, remb: remb}
			over := 0
			for i := range 120 {
				p.second()
				if rate := p.r.Rate(); i > 15 && (rate < capacity/2 || rate > capacity*3/2) {
					t.Fatalf("REMB %v: second %d: %d on a path of %d", remb, i, rate, capacity)
				} else if rate > capacity*110/100 {
					over++
				}
			}
			if over > 30 {
				t.Errorf("REMB %v: more than 10 %% too much in %d of 120 seconds", remb, over)
			}
		}
	}
}

func TestGrowsWhenThePathGetsBetter(t *testing.T) {
	p := path{capacity: 500_000, wants: 2_500_000}
	for range 30 {
		p.second()
	}
	p.capacity = 5_000_000
	for i := range 180 {
		if p.second(); p.r.Rate() > 2_500_000 {
			t.Logf("after %d s", i)
			return
		}
	}
	t.Errorf("%d three minutes after", p.r.Rate())
}

func TestAStartByReplayIsNoTrouble(t *testing.T) {
	var r Reports
	r.Sent(0, 1)
	r.Sent(1_000_000, second)
	r.Bitrate(300_000, second)
	r.Bitrate(300_000, 2*second)
	r.Loss(100, 2*second)
	r.Lag(2 * second)
	if r.Rate() != 0 {
		t.Errorf("%d after two seconds", r.Rate())
	}
}

func TestLongRoundTripsCut(t *testing.T) {
	p := path{capacity: 10_000_000, wants: 1_000_000}
	for range 10 {
		p.second()
	}
	for i := range int64(5) {
		p.r.RoundTrip(400*time.Millisecond, p.now+i*second)
	}
	if rate := p.r.Rate(); rate < 600_000 || rate > 900_000 {
		t.Errorf("%d after queues of 400 ms", rate)
	}
	q := path{capacity: 10_000_000, wants: 1_000_000}
	for range 10 {
		q.second()
	}
	q.r.RoundTrip(400*time.Millisecond, q.now) // one report that was late
	if q.r.Rate() != 0 {
		t.Errorf("%d after one long round trip", q.r.Rate())
	}
}

func TestLagCutsAtOnce(t *testing.T) {
	p := path{capacity: 10_000_000, wants: 1_000_000}
	for range 10 {
		p.second()
	}
	if p.r.Lag(p.now); p.r.Rate() < 600_000 || p.r.Rate() > 750_000 {
		t.Errorf("%d after lag at 1 Mbit/s", p.r.Rate())
	}
}

func TestNothingOverflows(t *testing.T) {
	var r Reports
	for i := range int64(100) {
		r.Sent(uint64(i)*1<<40, 1+i*second)
		r.Bitrate(1<<63, i*second)
		r.Loss(255, i*second)
		r.RoundTrip(time.Hour, i*second)
	}
	if r.Rate() < 0 || r.Rate() > highest {
		t.Errorf("%d", r.Rate())
	}
}
