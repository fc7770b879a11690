package transport

import "sync"

// table says which session a datagram belongs to. Any goroutine may use it; it holds no lock while it calls anything.
type table struct {
	mu     sync.RWMutex
	ufrags map[string]*Session // guarded by mu: our user fragments, the one before an ICE restart among them
	routes map[Route]*Session  // guarded by mu: routes that have passed a check
}

func newTable() *table {
	return &table{ufrags: map[string]*Session{}, routes: map[Route]*Session{}}
}

// lookup finds the session of datagram p, or nil.
func (t *table) lookup(p []byte, from Route) *Session {
	if len(p) == 0 {
		return nil
	}
	if p[0] > 3 {
		t.mu.RLock()
		s := t.routes[from]
		t.mu.RUnlock()
		return s
	}
	c, ok := parseCheck(p)
	if !ok {
		return nil
	}
	t.mu.RLock()
	s := t.ufrags[string(c.local)]
	t.mu.RUnlock()
	return s
}

// name gives ufrag to s. It is false if another session has it.
func (t *table) name(ufrag string, s *Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ufrags[ufrag] != nil {
		return false
	}
	t.ufrags[ufrag] = s
	return true
}

func (t *table) unname(ufrag string, s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ufrags[ufrag] == s {
		delete(t.ufrags, ufrag)
	}
}

// own gives route to s. A session that had it before loses it: whoever passed the last check is there now.
func (t *table) own(route Route, s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routes[route] = s
}

func (t *table) disown(route Route, s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.routes[route] == s {
		delete(t.routes, route)
	}
}
