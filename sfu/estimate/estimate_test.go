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

// Reports of a queue of three seconds tell of a flood that has ended; the estimate is what came all the time.
func TestLateReportsDoNotCutAgainAndAgain(t *testing.T) {
	var r Reports
	now, bytes, highest := int64(0), uint64(0), uint32(65000)
	for i := range 20 {
		now += second
		if i < 10 {
			bytes += 125_000
		} else {
			bytes += uint64(r.Pace()) / 8
		}
		r.Sent(bytes, now)
		highest += 125
		fraction := uint8(0)
		if i >= 8 && i < 13 {
			fraction = 205 // four of five
		}
		r.Arrived(highest, 1000, now)
		r.Loss(fraction, now)
		if i >= 8 && (r.Rate() < 150_000 || r.Pace() < 120_000 || i < 14 && r.Pace() > 200_000) {
			t.Errorf("second %d: rate %d, pace %d on a path of 200 kbit/s", i, r.Rate(), r.Pace())
		}
	}
}

// A screen that stands still sends little: some loss, or a round trip that is long for a while, does not slow its next
// keyframe down. What the receiver says of a stream that fills the path does.
func TestPaceIsNotMadeOfWhatWasSent(t *testing.T) {
	send := func(rate int, trouble func(r *Reports, now int64)) *Reports {
		r := &Reports{}
		for i := int64(1); i < 20; i++ {
			r.Sent(uint64(int64(rate)/8*i), i*second)
			r.RoundTrip(30*time.Millisecond, i*second)
			if i > 10 {
				trouble(r, i*second)
			}
		}
		return r
	}
	loses := func(r *Reports, now int64) { r.Loss(40, now) }
	waits := func(r *Reports, now int64) { r.RoundTrip(400*time.Millisecond, now) }
	says := func(r *Reports, now int64) { r.Bitrate(200_000, now) }
	for name, trouble := range map[string]func(*Reports, int64){"loss": loses, "round trip": waits} {
		if r := send(100_000, trouble); r.Pace() != 0 && r.Pace() < freely {
			t.Errorf("%s: pace %d for a screen that sends 100 kbit/s", name, r.Pace())
		}
	}
	if r := send(100_000, loses); r.Rate() == 0 {
		t.Error("loss does not lower the rate")
	}
	if r := send(1_000_000, says); r.Pace() == 0 || r.Pace() > 200_000 {
		t.Errorf("pace %d when the receiver says 200 kbit/s", r.Pace())
	}
	if r := send(1_000_000, func(r *Reports, now int64) { waits(r, now); loses(r, now) }); r.Pace() == 0 || r.Pace() > 1_000_000 {
		t.Errorf("pace %d for loss behind a queue", r.Pace())
	}
}

func TestPaceGrowsBack(t *testing.T) {
	var r Reports
	r.Sent(0, second)
	for i := int64(2); i < 10; i++ {
		r.Sent(uint64(i)*125_000, i*second)
	}
	r.Loss(200, 10*second)
	low := r.Pace()
	r.Loss(0, 11*second)
	for i := int64(11); i < 40; i++ {
		r.Sent(10*125_000+uint64(i)*1000, i*second)
	}
	if low == 0 || low >= 1_000_000 || r.Pace() < freely {
		t.Errorf("pace %d, half a minute later %d", low, r.Pace())
	}
}

// TestARisingReceiverIsNoTrouble: a browser began with what a small layer brought and goes up by 8 % a second from
// there, while a larger layer is sent. It is believed once it goes down.
func TestARisingReceiverIsNoTrouble(t *testing.T) {
	var r Reports
	var bytes, now int64
	remb := 58_000.0
	quarter := func(sent int, change float64) {
		now += second / 4
		bytes += int64(sent / 8 / 4)
		r.Sent(uint64(bytes), now)
		remb *= change
		r.Bitrate(uint64(remb), now)
		r.Loss(0, now)
	}
	for range 20 {
		quarter(40_000, 1.02)
	}
	for range 4 { // it goes no further than half as much again as comes
		quarter(40_000, 1)
	}
	for range 40 {
		quarter(700_000, 1.02)
		if r.Rate() != 0 {
			t.Fatalf("%d bit/s when the receiver says %.0f and rising", r.Rate(), remb)
		}
	}
	quarter(700_000, 0.8)
	for range 8 {
		quarter(700_000, 1.02)
	}
	if r.Rate() == 0 || r.Rate() > 200_000 {
		t.Errorf("%d bit/s when the receiver has gone down to %.0f", r.Rate(), remb)
	}
}

// TestAPathThatSaysWhatItCarries is believed at once, and asked for more when it is quiet.
func TestAPathThatSaysWhatItCarries(t *testing.T) {
	var r Reports
	now, bytes := int64(0), uint64(0)
	for range 5 {
		now += second
		bytes += 2_500_000 / 8
		r.Sent(bytes, now)
	}
	if r.Full(0, now) || r.Rate() != 0 {
		t.Errorf("%d though nobody knows", r.Rate())
	}
	if !r.Full(1_000_000, now) || r.Rate() != 850_000 {
		t.Errorf("%d on a path of 1 Mbit/s", r.Rate())
	}
	if r.Full(1_000_000, now+second/10) {
		t.Error("cut twice for one thing")
	}
	for range 10 {
		now += second
		bytes += 850_000 / 8
		r.Sent(bytes, now)
	}
	if got := r.Rate(); got <= 850_000 || got > 1_700_000 {
		t.Errorf("%d after ten quiet seconds", got)
	}
}
