package main

import (
	"castcode/internal/webhook"
	control "castcode/signal"
)

// eventSink carries the Hub's events to the webhook.
type eventSink struct{ hook *webhook.Worker }

// Happened implements control.Sink.
func (s eventSink) Happened(e control.Event) {
	out := webhook.Event{Type: e.Kind, Time: e.Time, Room: webhook.Room{ID: e.Room, Name: e.Name}, Reason: e.Reason}
	if e.Peer != "" {
		out.Peer = &webhook.Peer{ID: e.Peer, Role: e.Role, Name: e.PeerName}
	}
	s.hook.Send(out)
}

// openWebhook starts what posts events, and gives the Hub's end of it; nil without one.
func (s *server) openWebhook() (control.Sink, error) {
	if s.cfg.Webhook == nil {
		return nil, nil
	}
	var err error
	s.hook, err = webhook.Start(webhook.Config{
		URL: s.cfg.Webhook.URL.Reveal(), Secret: []byte(s.cfg.Webhook.Secret.Reveal()), Log: s.log.Logger,
	})
	if err != nil {
		return nil, err
	}
	return eventSink{s.hook}, nil
}
