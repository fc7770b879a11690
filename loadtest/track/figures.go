package track

import "time"

// Layers is how many simulcast layers are told apart.
const Layers = 4

// Figures is what became of one stream. Counts grow; Since gives those between two looks.
type Figures struct {
	Packets uint64 // that came, each once, in whatever way
	Bytes   uint64 // of them, payload only
	Lost    uint64 // that did not come in their turn: loss before repair
	Resent  uint64 // that came after all in a resend (RFC 4588)
	Late    uint64 // that came after all under their own number
	GivenUp uint64 // that did not come: loss after repair
	Twice   uint64 // that came again, or when nobody wanted them any more

	Frames     uint64 // shown
	Keyframes  uint64 // shown
	Missing    uint64 // frames that were sent and never shown, while the picture was live
	Damaged    uint64 // frames that came and were not whole
	Foreign    uint64 // frames of somebody else's stream
	Freezes    uint64
	FreezeTime time.Duration
	Layer      [Layers]uint64 // frames shown, by layer
	Asked      uint64         // keyframes asked for
	Nacks      uint64         // requests for packets
	Streams    uint64         // how often the numbers began anew

	Jitter time.Duration // RFC 3550 section 6.4.1, now

	First time.Time // packet; zero: none came
	Whole time.Time // keyframe
	Live  time.Time // picture that was not old
}

// Since is what was counted after before was taken. Times and jitter are those of f.
func (f Figures) Since(before *Figures) Figures {
	f.sum(before, func(a, b uint64) uint64 { return a - b })
	f.FreezeTime -= before.FreezeTime
	return f
}

// Add adds the counts of another stream. Times and jitter stay.
func (f *Figures) Add(o *Figures) {
	f.sum(o, func(a, b uint64) uint64 { return a + b })
	f.FreezeTime += o.FreezeTime
}

func (f *Figures) sum(o *Figures, do func(a, b uint64) uint64) {
	theirs := o.counts()
	for i, n := range f.counts() {
		*n = do(*n, *theirs[i])
	}
}

func (f *Figures) counts() []*uint64 {
	list := []*uint64{
		&f.Packets, &f.Bytes, &f.Lost, &f.Resent, &f.Late, &f.GivenUp, &f.Twice,
		&f.Frames, &f.Keyframes, &f.Missing, &f.Damaged, &f.Foreign, &f.Freezes, &f.Asked, &f.Nacks, &f.Streams,
	}
	for i := range f.Layer {
		list = append(list, &f.Layer[i])
	}
	return list
}
