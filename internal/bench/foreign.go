//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	fanout "castcode/loadtest/naive"
)

// serveNaive serves a naive fan-out by WHIP and WHEP until the process is told to end.
func serveNaive(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("naive", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9090", "where to listen")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	n, err := fanout.New(true)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: n, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if _, err := fmt.Fprintf(out, "http://%s/whip/{room} and /whep/{room}\n", l.Addr()); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return n.Close()
}
