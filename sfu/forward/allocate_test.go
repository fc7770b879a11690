package forward

import (
	"math/rand/v2"
	"testing"
)

// rung makes a layer of the given rates of temporal layers, in kbit/s.
func rung(source uint32, kbits ...int) Rung {
	r := Rung{Source: source, Temporal: uint8(len(kbits) - 1)}
	for i := range r.Rates {
		r.Rates[i] = kbits[min(i, len(kbits)-1)] * 1000
	}
	return r
}

func simulcast() []Rung { return []Rung{rung(1, 100, 150), rung(2, 300, 500), rung(3, 1500, 2500)} }

func TestAllocateOneTrack(t *testing.T) {
	for _, c := range []struct {
		target int // kbit/s
		want   Choice
	}{
		{0, Choice{2, AllTemporal}},
		{5000, Choice{2, AllTemporal}},
		{2500, Choice{2, AllTemporal}},
		{2499, Choice{1, AllTemporal}},
		{499, Choice{0, AllTemporal}},
		{149, Choice{0, 0}},
		{1, Choice{0, 0}},
	} {
		got := Allocate(nil, c.target*1000, []Wish{{Rungs: simulcast()}})
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%d kbit/s: %v, want %v", c.target, got, c.want)
		}
	}
}

func TestAllocateHasHysteresis(t *testing.T) {
	w := Wish{Rungs: simulcast(), Begun: true, Present: Choice{1, AllTemporal}}
	if got := Allocate(nil, 2_600_000, []Wish{w}); got[0].Rung != 1 {
		t.Errorf("4 %% more than a layer costs suffice to climb: %v", got)
	}
	w.Present = Choice{2, AllTemporal}
	if got := Allocate(nil, 2_500_000, []Wish{w}); got[0].Rung != 2 {
		t.Errorf("what it costs does not suffice to stay: %v", got)
	}
}

func TestAllocatePassesSilentLayersOver(t *testing.T) {
	for _, c := range []struct {
		silent []int
		want   Choice
	}{
		{[]int{2}, Choice{1, AllTemporal}},
		{[]int{0, 2}, Choice{1, AllTemporal}},
		{[]int{1, 2}, Choice{0, AllTemporal}},
		{[]int{0}, Choice{2, AllTemporal}},
		{[]int{0, 1, 2}, Choice{0, AllTemporal}},
	} {
		w := Wish{Rungs: simulcast()}
		for _, i := range c.silent {
			w.Rungs[i].Silent = true
		}
		if got := Allocate(nil, 0, []Wish{w}); got[0] != c.want {
			t.Errorf("without %v: %v, want %v", c.silent, got, c.want)
		}
	}
}

func TestAllocateEverybodyClimbsOneStepFirst(t *testing.T) {
	two := []Wish{{Rungs: simulcast()}, {Rungs: simulcast()}}
	for _, c := range []struct {
		target int
		want   [2]int
	}{
		{1000, [2]int{1, 1}},
		{700, [2]int{1, 0}},
		{3000, [2]int{2, 1}},
		{5000, [2]int{2, 2}},
		{2700, [2]int{1, 1}}, // 2500 + 500 do not fit
	} {
		got := Allocate(nil, c.target*1000, two)
		if got[0].Rung != c.want[0] || got[1].Rung != c.want[1] {
			t.Errorf("%d kbit/s: %v, want %v", c.target, got, c.want)
		}
	}
}

func TestAllocateTemporalLayersOfOneLayer(t *testing.T) {
	one := []Wish{{Rungs: []Rung{rung(1, 400, 600, 1000)}}}
	for target, want := range map[int]uint8{0: AllTemporal, 1000: AllTemporal, 999: 1, 599: 0, 10: 0} {
		if got := Allocate(nil, target*1000, one); got[0].Temporal != want {
			t.Errorf("%d kbit/s: temporal %d, want %d", target, got[0].Temporal, want)
		}
	}
	if got := Allocate(nil, 1, []Wish{{Rungs: []Rung{rung(1, 1000)}}}); got[0].Temporal != AllTemporal {
		t.Errorf("a stream without temporal layers is thinned: %v", got)
	}
}

func TestAllocateStaysWithinTheTarget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var wishes []Wish
		least := 0
		for range 1 + rng.IntN(3) {
			var w Wish
			base := 1 + rng.IntN(500)
			for i := range 1 + rng.IntN(3) {
				r := rung(uint32(i+1), base, base+rng.IntN(100))
				r.Silent = rng.IntN(5) == 0
				w.Rungs = append(w.Rungs, r)
				base *= 2 + rng.IntN(3)
			}
			w.Begun, w.Present = rng.IntN(2) == 0, Choice{rng.IntN(len(w.Rungs)), AllTemporal}
			least += w.cost(w.first())
			wishes = append(wishes, w)
		}
		target := 1 + rng.IntN(20_000_000)
		got := Allocate(nil, target, wishes)
		again := Allocate(nil, target, wishes)
		sum := 0
		for i := range got {
			if got[i] != again[i] || got[i].Rung >= len(wishes[i].Rungs) {
				t.Fatalf("%v and %v", got, again)
			}
			sum += wishes[i].cost(got[i])
		}
		if sum > max(target, least) {
			t.Fatalf("%d bit/s of %d", sum, target)
		}
	}
}

func TestAllocateAllocatesNothing(t *testing.T) {
	wishes, dst := []Wish{{Rungs: simulcast()}}, make([]Choice, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst = Allocate(dst[:0], 1_000_000, wishes) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestClimbIsSlowUpAndQuickDown(t *testing.T) {
	w := &Wish{Rungs: simulcast()}
	var c Climb
	at := func(wanted, want Choice, now int64) {
		t.Helper()
		if w.Present = c.Decide(w, wanted, now*ms); w.Present != want {
			t.Errorf("at %d ms: %v, want %v", now, w.Present, want)
		}
		w.Begun = true
	}
	low, mid, high := Choice{0, AllTemporal}, Choice{1, AllTemporal}, Choice{2, AllTemporal}
	at(high, high, 1)
	at(low, low, 2)
	at(high, low, 1000)
	at(high, low, 1999)
	at(high, mid, 2000)
	at(high, mid, 2999)
	at(high, high, 3000)
	at(mid, mid, 3001)
	at(high, mid, 4000)
	at(mid, mid, 4500) // not affordable all the time
	at(high, mid, 5100)
	at(high, high, 6100)
	w.Rungs[2].Silent = true
	at(mid, mid, 6200)
	w.Rungs[0].Silent, w.Rungs[1].Silent, w.Rungs[2].Silent = true, true, false
	at(high, high, 6300) // what it has is not sent any more: there is nothing to wait for
}
