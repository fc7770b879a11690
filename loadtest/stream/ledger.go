package stream

import (
	"hash/maphash"
	"sync"
)

// ledgerSize is how many frames a Ledger remembers: a minute and a half of several layers.
const ledgerSize = 1 << 13

// Ledger remembers the frames of files, which can carry no stamp, by their last packets. Its methods may be called from
// any goroutine.
type Ledger struct {
	mu     sync.RWMutex
	frames map[uint64]Stamp // guarded by mu, as are both
	ring   [ledgerSize]uint64
	next   int
}

var seed = maphash.MakeSeed()

// Hash is what a Ledger knows a frame by: that of the body of its last packet, as Inspect has it.
func Hash(body []byte) uint64 { return maphash.Bytes(seed, body) }

// Add notes a frame that is being sent.
func (l *Ledger) Add(c Codec, f Frame, s Stamp) {
	if len(f.Payloads) == 0 {
		return
	}
	last := f.Payloads[len(f.Payloads)-1]
	s.Packets, s.Key = uint16(len(f.Payloads)), f.Key
	hash := Hash(last[Inspect(c, last).Body:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frames == nil {
		l.frames = make(map[uint64]Stamp, ledgerSize)
	}
	if _, again := l.frames[hash]; !again {
		delete(l.frames, l.ring[l.next%ledgerSize])
		l.ring[l.next%ledgerSize] = hash
		l.next++
	}
	l.frames[hash] = s
}

// Find is the frame whose last packet has that hash.
func (l *Ledger) Find(hash uint64) (Stamp, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s, ok := l.frames[hash]
	return s, ok
}
