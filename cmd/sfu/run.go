package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"castcode/internal/logging"
	"castcode/internal/store"
	"castcode/internal/tlsutil"
	"castcode/internal/webhook"
	"castcode/sfu"
	control "castcode/signal"
	"castcode/turn"
)

// Times of leaving. Together they stay below the 5 s that a process supervisor is promised.
const (
	drainWithin  = 2 * time.Second // members are told to come back within this time
	drainFor     = 500 * time.Millisecond
	shutdownTime = 2 * time.Second
	lastEvents   = time.Second // beside shutdownTime
)

// storeFile is where displays and groups are kept, within the data directory.
const storeFile = "state.db"

// defaultAdmin is the admin address that nobody chose: if it is taken, the server starts without.
const defaultAdmin = "127.0.0.1:9443"

// server is a running server: every part, in the order in which they are started. stop ends them in the other order.
type server struct {
	cfg        *Config
	log        *logging.Log
	store      *tlsutil.Store
	kept       *store.Store // displays and groups
	source     *tlsutil.Source
	ports      ports
	advertised *advertised
	engine     *sfu.Engine
	hub        *control.Hub
	turn       *turn.Server    // nil: none of our own
	tokens     *tokenKeys      // nil: none
	hook       *webhook.Worker // nil: none
	site       *site
	servers    []*http.Server
	adminAt    string             // where the admin address listens; empty: nowhere
	wg         sync.WaitGroup     // the servers' accept loops
	failed     chan error         // a part that ended by itself
	end        context.CancelFunc // ends what runs beside the servers
	discovery  *discovery         // nil: no STUN servers are asked
	hints      []string           // what announce warns of beside the configuration's warnings
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, cfg *Config, env func(string) (string, bool), stdout, stderr io.Writer) error {
	file, _ := stderr.(*os.File)
	_, terminal := logging.Terminal(file)
	log, err := logging.Open(logging.Options{Level: cfg.LogLevel, File: cfg.LogFile, Stderr: stderr, Terminal: terminal})
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // nothing is left that could be lost
	s := &server{cfg: cfg, log: log, failed: make(chan error, 4)}
	defer s.stop()
	background, end := context.WithCancel(ctx)
	s.end = end
	if err := s.start(background); err != nil {
		return err
	}
	if err := s.announce(stdout, env); err != nil {
		return err
	}
	return s.wait(ctx)
}

// start starts the parts. On an error those that run are left to stop.
func (s *server) start(ctx context.Context) error {
	var err error
	if s.store, err = tlsutil.OpenStore(s.cfg.Data, s.log.Logger); err != nil {
		return err
	}
	s.kept, err = store.Open(store.Options{Path: filepath.Join(s.cfg.Data, storeFile), Log: s.log.Logger})
	if err != nil {
		return err
	}
	s.source, err = tlsutil.Open(tlsutil.Config{
		Mode: s.cfg.TLS, Store: s.store, Names: s.cfg.Hosts, Addrs: s.cfg.PublicIPs,
		Cert: s.cfg.TLSCert, Key: s.cfg.TLSKey, Email: s.cfg.ACMEEmail, Log: s.log.Logger,
	})
	if err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.discover(ctx)
	if err := s.planes(); err != nil {
		return err
	}
	if err := s.relay(); err != nil {
		return err
	}
	if err := s.http(); err != nil {
		return err
	}
	s.hints = s.look(ctx).warnings()
	s.wg.Go(func() { s.hairpin(ctx) })
	return nil
}

// events carries the engine's events to the Hub, which is made after it.
type events struct{ hub *control.Hub }

func (e *events) CastChanged(cast string, live bool, slots map[string]string) {
	e.hub.CastChanged(cast, live, slots)
}
func (e *events) PeerChanged(peer, state string) { e.hub.PeerChanged(peer, state) }

// planes makes the media plane and the control plane and joins them.
func (s *server) planes() error {
	joint := &events{}
	var err error
	s.engine, err = sfu.New(sfu.Config{
		Socket: s.ports.socket, Streams: s.ports.mediaStreams(), Addresses: s.advertised.addresses, Events: joint,
		Log: s.log.Logger, Pion: logging.NewPion(s.log.Logger),
	})
	if err != nil {
		return err
	}
	if err := s.openTokens(); err != nil {
		return err
	}
	sink, err := s.openWebhook()
	if err != nil {
		return err
	}
	trusted := proxies(s.cfg.TrustedProxies)
	config := control.Config{
		Media: plane{s.engine}, ICE: s.ice().forPeer, Gone: s.gone, Key: s.store.Key(), Origins: s.cfg.Origins,
		Capacity: orNone(s.cfg.Capacity), DisplaysPerAddress: orNone(s.cfg.DisplaysPerAddress),
		RoomsPerDay: orNone(s.cfg.RoomsPerDay), Store: s.kept, Open: s.cfg.Open,
		ClientAddr: trusted.client, External: trusted.external, Log: s.log.Logger, Sink: sink,
	}
	if s.tokens != nil {
		config.Tokens, config.TokensOnly = s.tokens.verifier, s.cfg.Tokens.Only
	}
	joint.hub, err = control.NewHub(config)
	s.hub = joint.hub
	return err
}

// gone is told of sessions that have ended. There is none before the TURN server has started, if one does.
func (s *server) gone(peer string) {
	if s.turn != nil {
		s.turn.Revoke(peer)
	}
}

// orNone turns our word for no limit into the Hub's.
func orNone(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

func (s *server) turnSecret() []byte {
	if secret := s.cfg.TURNSecret.Reveal(); secret != "" {
		return []byte(secret)
	}
	return s.store.TURNSecret()
}

func (s *server) ice() *iceServers {
	i := &iceServers{
		ends: s.ports.turnEnds(), own: s.advertised.addresses, urls: s.cfg.TURNURLs,
		off: !s.cfg.TURN && len(s.cfg.TURNURLs) == 0,
	}
	if s.cfg.TLS != tlsutil.LocalCA && len(s.cfg.Hosts) > 0 {
		i.name = s.cfg.Hosts[0]
	}
	if s.cfg.TURNUsername != "" {
		i.user, i.pass = s.cfg.TURNUsername, s.cfg.TURNPassword.Reveal()
	} else {
		i.secret = s.turnSecret()
	}
	return i
}

// relay starts the embedded TURN server. Without it, TURN's datagrams and connections have no reader: the socket
// and the port mux drop them.
func (s *server) relay() error {
	if !s.cfg.TURN || len(s.cfg.TURNURLs) > 0 {
		return nil
	}
	realm := "castcode"
	if len(s.cfg.Hosts) > 0 {
		realm = s.cfg.Hosts[0]
	}
	var err error
	s.turn, err = turn.NewServer(turn.Config{
		Packets: s.ports.turnPackets(), Streams: s.ports.turnStreams(), Media: s.ports.socket,
		MediaAddrs: s.advertised.addresses, RelayIP: s.advertised.relayIP(),
		Secrets: func() [][]byte { return [][]byte{s.turnSecret()} }, Realm: realm, Log: s.log.Logger,
	})
	return err
}

// http starts the web servers: HTTPS and plain HTTP on the one port, and the admin address.
func (s *server) http() error {
	s.site = &site{
		socket: s.hub, probe: s.hub.Probe(), shown: s.source.Last, whip: s.hub.WHIP(), whep: s.hub.WHEP(), mode: string(s.cfg.TLS), plain: s.cfg.TLS == tlsutil.Off,
		hsts:     s.cfg.TLS == tlsutil.ACME || s.cfg.TLS == tlsutil.Files,
		external: proxies(s.cfg.TrustedProxies).external, httpsPort: s.ports.port(),
		challenges: s.source.Challenge, trouble: s.trouble,
	}
	if s.cfg.HTTPDisplays {
		s.site.displays = s.plainNames
	}
	if ca := s.source.CA(); ca != nil {
		s.site.ca, s.site.profile, s.site.print = ca.PEM(), ca.Profile(), ca.Fingerprint()
	}
	if err := s.site.load(); err != nil {
		return err
	}
	admin, err := s.adminListener()
	if err != nil {
		return err
	}
	if s.ports.inner != nil {
		s.run(s.ports.inner.HTTP(), s.site.secure())
	}
	s.run(s.ports.outer.HTTP(), s.site.insecure())
	if s.ports.web != nil {
		s.run(s.ports.web.HTTP(), s.site.insecure())
	}
	if admin != nil {
		s.adminAt = admin.Addr().String()
		s.run(admin, s.admin())
	}
	s.site.ready.Store(true)
	return nil
}

// adminListener opens the admin address. It may be nil.
func (s *server) adminListener() (net.Listener, error) {
	if s.cfg.AdminAddr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.cfg.AdminAddr)
	if err != nil && s.cfg.AdminAddr == defaultAdmin {
		s.log.Warn("starting without the admin address: another program has it", "address", defaultAdmin)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n  hint: choose another with --admin-addr, or off", err)
	}
	return l, nil
}

// run serves h on l until stop.
func (s *server) run(l net.Listener, h http.Handler) {
	web := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, web)
	s.wg.Go(func() {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serving %s: %w", l.Addr(), err)
		}
	})
}

// wait returns when ctx ends, or with the error of a part that ended by itself. SIGHUP opens the log file again and reads the
// keys of join tokens again, as their file does when it changes.
func (s *server) wait(ctx context.Context) error {
	look := time.NewTicker(keysEvery)
	defer look.Stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			s.log.Info("leaving")
			return nil
		case err := <-s.failed:
			return err
		case <-look.C:
			s.reloadTokens(false)
		case <-hangup:
			s.reloadTokens(true)
			if err := s.log.Reopen(); err != nil {
				s.log.Error("log file", "error", err)
			}
		}
	}
}

// stop leaves politely: no new peers, members told, then everything closed in turn. It also ends a start that failed
// half way.
func (s *server) stop() {
	s.end()
	if s.site != nil {
		s.site.ready.Store(false)
	}
	if s.hub != nil {
		s.hub.Drain(drainWithin)
		time.Sleep(drainFor) // for the messages to leave
		s.hub.Close()
	}
	var said sync.WaitGroup
	if s.hook != nil {
		said.Go(func() { s.hook.Close(lastEvents) }) // beside what else takes its time
	}
	defer said.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	for _, web := range s.servers {
		if err := web.Shutdown(ctx); err != nil {
			_ = web.Close() // the time is over
		}
	}
	if s.engine != nil {
		s.engine.Close()
	}
	if s.turn != nil {
		s.turn.Close()
	}
	s.ports.close()
	s.wg.Wait()
	if s.kept != nil {
		if err := s.kept.Close(); err != nil {
			s.log.Error("displays and groups", "error", err)
		}
	}
}
