package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"

	"castcode/internal/stunwire"
)

const (
	// maxAgentAddrs is how many addresses of one peer reach its agent between two ICE restarts. The library lists
	// every address that it answers, and forgets none before a restart.
	maxAgentAddrs = 16
	// maxChecks a second are let through to one agent, and as many of strangers are looked at: browsers send up to
	// 20 while they connect and one every 2.5 s afterwards.
	maxChecks = 200
)

// agents are the ICE agents of the library behind Media(), by their user fragments. The library queues every check
// that names one, before it looks at the signature and without bound; so the signature is looked at here, and what
// passes is counted.
type agents struct {
	mu     sync.Mutex
	byUser map[string]*agent // guarded by mu, as what is in it
}

// agent is one generation of ICE credentials.
type agent struct {
	signer    *stunwire.Signer
	flooded   func()    // may be nil
	routes    []Route   // a good check came by them
	known     perSecond // checks by routes
	strangers perSecond // checks from elsewhere, good or not
}

// perSecond counts what happens in the present second.
type perSecond struct {
	second int64
	n      int
}

// allow counts one more, if it is within most.
func (c *perSecond) allow(now time.Time, most int) bool {
	if second := now.Unix(); second != c.second {
		*c = perSecond{second: second}
	}
	if c.n >= most {
		return false
	}
	c.n++
	return true
}

// expect makes user known. Whoever had the name before is forgotten.
func (a *agents) expect(user, password string, flooded func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byUser[user] = &agent{signer: stunwire.NewSigner(password), flooded: flooded}
}

// giveUp tells whose route it is that it floods.
func (a *agents) giveUp(from Route) {
	var tell []func()
	from.local = 0
	a.mu.Lock()
	for _, agent := range a.byUser {
		if agent.flooded != nil && slices.Contains(agent.routes, from) {
			tell = append(tell, agent.flooded)
		}
	}
	a.mu.Unlock()
	for _, flooded := range tell {
		flooded()
	}
}

func (a *agents) dismiss(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byUser, user)
}

func (a *agents) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byUser)
}

// admit says whether the check p, on which the guard said v, may go to the agent that it names. A stranger's check
// costs a signature at most maxChecks times a second for each agent, and takes nothing from the addresses that are
// known.
func (a *agents) admit(p []byte, from Route, v verdict, now time.Time) drop {
	user, _, _ := bytes.Cut(v.user, []byte(":"))
	from.local = 0 // whichever of ours it asked, it is one address of the peer
	a.mu.Lock()
	defer a.mu.Unlock()
	agent := a.byUser[string(user)]
	if agent == nil {
		return dropUser
	}
	known := slices.Contains(agent.routes, from)
	within := &agent.strangers
	if known {
		within = &agent.known
	}
	switch {
	case !within.allow(now, maxChecks):
		return dropChecks
	case v.fingerprint != 0 && !stunwire.CheckFingerprint(p, v.fingerprint) || !agent.signer.Verify(p, v.integrity):
		return dropIntegrity
	case known:
		return passed
	case len(agent.routes) >= maxAgentAddrs:
		return dropAddresses
	}
	agent.routes = append(agent.routes, from)
	return passed
}

// remap puts the address to into p, an answer of the agent of user, so that its peer learns where its connection comes
// from. What is no such answer stays as it is.
func (a *agents) remap(p []byte, to netip.AddrPort, user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if agent := a.byUser[user]; agent != nil {
		stunwire.Remap(p, to, agent.signer)
	}
}

// Expect lets connectivity checks for our user fragment user, signed with password, through to Media(). A caster's
// credentials are told here before its answer goes out; until then, and after Dismiss, its checks are dropped. Of one
// Expect, checks from up to 16 addresses and 200 a second pass. It may be called from any goroutine.
//
// flooded, which may be nil, is called when one of these addresses goes on to send media of more SSRCs than a caster
// has: what is too much is dropped in any case, and who does it is better closed. It is called by those who read, and
// must not block.
func (s *Socket) Expect(user, password string, flooded func()) {
	s.agents.expect(user, password, flooded)
}

// Dismiss ends Expect: at the end of a caster, and of credentials that an ICE restart has replaced.
func (s *Socket) Dismiss(user string) { s.agents.dismiss(user) }
