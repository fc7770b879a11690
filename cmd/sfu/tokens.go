package main

import (
	"time"

	"castcode/internal/jointoken"
)

// keysEvery is how often the key file of join tokens is looked at.
const keysEvery = 5 * time.Second

// tokenKeys keeps the keys of join tokens as its file says. It is used by one goroutine after the start.
type tokenKeys struct {
	cfg      *Tokens
	verifier *jointoken.Verifier
	seen     string // stamp of the file that was read last
}

// openTokens reads the keys; nil without any.
func (s *server) openTokens() error {
	if s.cfg.Tokens == nil {
		return nil
	}
	t := &tokenKeys{cfg: s.cfg.Tokens, seen: stamp(s.cfg.Tokens.File)}
	keys, err := readKeys(t.cfg.File, t.cfg.Algorithm)
	if err != nil {
		return err
	}
	t.verifier = jointoken.NewVerifier(t.cfg.Issuer, t.cfg.Audience, keys)
	s.tokens = t
	return nil
}

// reloadTokens reads the keys again if their file has changed, or always. A file that cannot be used changes nothing.
func (s *server) reloadTokens(always bool) {
	t := s.tokens
	if t == nil {
		return
	}
	now := stamp(t.cfg.File)
	if now == t.seen && !always {
		return
	}
	t.seen = now
	keys, err := readKeys(t.cfg.File, t.cfg.Algorithm)
	if err != nil {
		s.log.Error("keys of join tokens: those from before stay", "error", err)
		return
	}
	t.verifier.Replace(keys)
	s.log.Info("keys of join tokens were read again", "keys", keys.Len())
}
