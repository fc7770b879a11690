package signal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"castcode/internal/store"
)

// Store keeps displays and groups beyond the process. The Hub calls it with its lock held, so no call may wait for a
// disk; see package store.
type Store interface {
	// Load reads all that is kept. It is called once, by NewHub.
	Load() ([]store.Display, []store.Group, error)
	// Put has records written. The error says that they never will be. Else kept, if not nil, is called once, from
	// another goroutine and never within Put: with nil when they are on the disk, or with the reason why not yet.
	Put(kept func(error), records ...store.Record) error
	// Delete takes a record out, in the same way.
	Delete(kept func(error), kind store.Kind, key string) error
}

// nowhere is the store of a Hub that was given none: everything is good until the end of the process, and that is what
// clients are told.
type nowhere struct{}

func (nowhere) Load() ([]store.Display, []store.Group, error)         { return nil, nil, nil }
func (nowhere) Put(kept func(error), _ ...store.Record) error         { return tellKept(kept) }
func (nowhere) Delete(kept func(error), _ store.Kind, _ string) error { return tellKept(kept) }

// tellKept calls kept at once: who waits looks at a channel with room for one.
func tellKept(kept func(error)) error {
	if kept != nil {
		kept(nil)
	}
	return nil
}

// deviceKey is how the secret of a page's device is remembered.
type deviceKey [sha256.Size]byte

const (
	minDeviceKey = 32 // characters; pages send 256 random bits
	maxDeviceKey = 128
)

// checkKey says what is wrong with a device key; none at all is right.
func checkKey(key string) string {
	if key == "" {
		return ""
	}
	if len(key) < minDeviceKey || len(key) > maxDeviceKey {
		return "a key has 32 to 128 characters"
	}
	for _, c := range key {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "a key has letters, digits, - and _ only"
		}
	}
	return ""
}

// hashKey is what is remembered of a device key, "" for none. A display's and a caster's are told apart, so that neither
// stands for the other.
func hashKey(as role, key string) (hash deviceKey, ok bool) {
	if key == "" {
		return deviceKey{}, false
	}
	return sha256.Sum256([]byte("castcode " + string(as) + " " + key)), true
}

// receipt is what comes of a change that is to last: a channel with room for one.
type receipt chan error

// write has records written, and gives the receipt.
func (h *Hub) write(records ...store.Record) receipt {
	r := make(receipt, 1)
	if err := h.cfg.Store.Put(func(err error) { r <- err }, records...); err != nil {
		r <- err
	}
	return r
}

// erase has a record taken out, and gives the receipt.
func (h *Hub) erase(kind store.Kind, key string) receipt {
	r := make(receipt, 1)
	if err := h.cfg.Store.Delete(func(err error) { r <- err }, kind, key); err != nil {
		r <- err
	}
	return r
}

// note has records written of which nobody is told whether they were.
func (h *Hub) note(records ...store.Record) {
	if err := h.cfg.Store.Put(nil, records...); err != nil {
		h.cfg.Log.Warn("signal: a change is not kept", "error", plain(fmt.Sprint(err)))
	}
}

// whenKept answers the turn's request with message once r says that the change is on the disk.
func (t *turn) whenKept(r receipt, message any) {
	t.then = func(ctx context.Context) *Error {
		if refused := t.hub.awaitKept(ctx, r); refused != nil {
			return refused
		}
		t.answer(message)
		return nil
	}
}

// awaitKept waits for a receipt. A refusal means that the change holds until the process ends, and may yet be kept.
func (h *Hub) awaitKept(ctx context.Context, r receipt) *Error {
	select {
	case err := <-r:
		if err == nil {
			return nil
		}
		return refuseFor(CodeNotKept, "it holds, but the server cannot write it to its disk", keepWait)
	case <-ctx.Done():
		return refuseFor(CodeNotKept, "it holds, but the server's disk is too slow", keepWait)
	}
}

// keepWait is when it may be worth to look again at a disk that was full.
const keepWait = 10 * time.Second
