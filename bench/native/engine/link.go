package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/bufferv2"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	nic         = 1
	queue       = 1024 // packets between stack and tunnel, as wireguard-go's own adapter has
	dialTimeout = 10 * time.Second
)

// link is gVisor's stack as a tun.Device of wireguard-go.
type link struct {
	endpoint *channel.Endpoint
	stack    *stack.Stack
	events   chan tun.Event
	outgoing chan *bufferv2.View
	mtu      int
}

func newLink(address netip.Addr, mtu int) (*link, error) {
	l := &link{
		endpoint: channel.New(queue, uint32(mtu), ""),
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, icmp.NewProtocol4},
		}),
		events:   make(chan tun.Event, 1),
		outgoing: make(chan *bufferv2.View),
		mtu:      mtu,
	}
	sack := tcpip.TCPSACKEnabled(true)
	if err := l.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return nil, fmt.Errorf("SACK: %v", err)
	}
	l.endpoint.AddNotify(l)
	if err := l.stack.CreateNIC(nic, l.endpoint); err != nil {
		return nil, fmt.Errorf("NIC: %v", err)
	}
	own := tcpip.ProtocolAddress{
		Protocol:          header.IPv4ProtocolNumber,
		AddressWithPrefix: tcpip.Address(address.AsSlice()).WithPrefix(),
	}
	if err := l.stack.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("address: %v", err)
	}
	l.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: nic})
	l.events <- tun.EventUp
	return l, nil
}

// WriteNotify is called by the stack when it has queued a packet.
func (l *link) WriteNotify() {
	packet := l.endpoint.Read()
	if packet.IsNil() {
		return
	}
	view := packet.ToView()
	packet.DecRef()
	l.outgoing <- view
}

func (l *link) Read(b []byte, offset int) (int, error) {
	view, open := <-l.outgoing
	if !open {
		return 0, os.ErrClosed
	}
	return view.Read(b[offset:])
}

func (l *link) Write(b []byte, offset int) (int, error) {
	if offset >= len(b) {
		return 0, nil
	}
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: bufferv2.MakeWithData(b[offset:])})
	defer packet.DecRef()
	l.endpoint.InjectInbound(header.IPv4ProtocolNumber, packet)
	return len(b), nil
}

func (l *link) dial(target netip.AddrPort) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	to := tcpip.FullAddress{NIC: nic, Addr: tcpip.Address(target.Addr().AsSlice()), Port: target.Port()}
	return gonet.DialContextTCP(ctx, l.stack, to, header.IPv4ProtocolNumber)
}

func (l *link) Close() error           { return nil }
func (l *link) File() *os.File         { return nil }
func (l *link) Flush() error           { return nil }
func (l *link) MTU() (int, error)      { return l.mtu, nil }
func (l *link) Name() (string, error)  { return "engine", nil }
func (l *link) Events() chan tun.Event { return l.events }
