//go:build linux

package main

import (
	"errors"
	"net/netip"
	"time"

	"castcode/sfu/udp"
)

// batch is the floor with castcode's socket under it.
type batch struct {
	socket *udp.Socket
	out    *udp.Batch
	peers  []batchPeer
	pad    padded
	now    int64
}

type batchPeer struct {
	*sealer
	to udp.Route
}

func newBatch(gso bool) (Contestant, error) {
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		return nil, err
	}
	if !gso {
		socket.DisableGSO()
	}
	return &batch{socket: socket, out: socket.NewBatch()}, nil
}

func (b *batch) Bare() bool   { return true }
func (b *batch) Ready() error { return nil }

func (b *batch) Join(v Viewer) (string, error) {
	s, err := newSealer(v.Key, v.Salt, v.SSRC)
	if err != nil {
		return "", err
	}
	b.peers = append(b.peers, batchPeer{sealer: s, to: b.socket.Route(v.Addr)})
	return "", nil
}

func (b *batch) Forward(frame *Frame) error {
	b.pad.load(frame)
	size := headerSize + frame.Largest + tagSize
	for i := range b.peers {
		peer := &b.peers[i]
		for k := range frame.Packets {
			b.out.Commit(peer.seal(b.out.Reserve(peer.to, size), &frame.Packets[k], b.pad.plains[k]))
		}
	}
	b.now += int64(time.Second) / frameRate
	b.out.Flush(b.now)
	return nil
}

// Close also says if the kernel refused anything.
func (b *batch) Close() error {
	n := b.socket.Counts()
	err := b.socket.Close()
	if n.SendErrors > 0 || n.Dropped["send_full"] > 0 {
		err = errors.Join(err, errors.New("the kernel refused datagrams"))
	}
	return err
}
