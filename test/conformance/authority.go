// A grpc-go client for each way in which a target becomes the `:authority` of its requests.
//
//	authority SOCKET IDLE_MS    prints a line for each form, `ok NAME` or `FAILED NAME: why`
//
// Between connecting and its first call it waits for IDLE_MS.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	pb "google.golang.org/grpc/test/grpc_testing"
)

const (
	timeout = 20 * time.Second
	// More than the dynamic table has room for: each call enters its deadline and its number.
	calls       = 150
	connections = 16
	answerBytes = 100_000
)

type form struct {
	name, target, authority string
}

func forms(path string) []form {
	return []form{
		{name: "bare path", target: path},
		{name: "relative path", target: "./grpc.sock"},
		{name: "passthrough to a path", target: "passthrough:///" + path},
		{name: "passthrough to nothing", target: "passthrough:///"},
		{name: "unix:///path", target: "unix://" + path},
		{name: "unix:path", target: "unix:" + path},
		{name: "unknown scheme", target: "socket://" + path},
		{name: "percent-encoded path", target: strings.ReplaceAll(path, "/", "%2F")},
		{name: "empty target", target: ""},
		{name: "user and host", target: "passthrough:///person@host"},
		{name: "what no host has", target: "passthrough:///ü \"#/<>?@\\^`{|}\t"},
		{name: "long path", target: "passthrough:///" + strings.Repeat(path, 100)},
		{name: "host of its own", target: path, authority: "localhost"},
		{name: "path of its own", target: "ignored", authority: path},
	}
}

func dial(path string, of form) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithInsecure(), grpc.WithBlock(), grpc.FailOnNonTempDialError(true),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}),
	}
	if of.authority != "" {
		options = append(options, grpc.WithAuthority(of.authority))
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return grpc.DialContext(ctx, of.target, options...)
}

func unary(client pb.TestServiceClient, number int) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-number", strconv.Itoa(number))
	answer, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: answerBytes})
	if err == nil && len(answer.Payload.Body) != answerBytes {
		err = fmt.Errorf("%d bytes, not %d", len(answer.Payload.Body), answerBytes)
	}
	return err
}

func duplex(client pb.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	payload := &pb.Payload{Body: make([]byte, answerBytes)}
	for size := int32(1); size <= answerBytes; size *= 10 {
		parameters := []*pb.ResponseParameters{{Size: size}, {Size: size}}
		request := &pb.StreamingOutputCallRequest{ResponseParameters: parameters, Payload: payload}
		if err := stream.Send(request); err != nil {
			return err
		}
		for range parameters {
			answer, err := stream.Recv()
			if err != nil {
				return err
			}
			if len(answer.Payload.Body) != int(size) {
				return fmt.Errorf("%d bytes, not %d", len(answer.Payload.Body), size)
			}
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("no end: %v", err)
	}
	return nil
}

// Metadata that needs more than one frame.
func longMetadata(client pb.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-long", strings.Repeat("long ", 6_000))
	_, err := client.EmptyCall(ctx, &pb.Empty{})
	return err
}

func inTurn(client pb.TestServiceClient) error {
	for number := 0; number < calls; number++ {
		if err := unary(client, number); err != nil {
			return fmt.Errorf("call %d: %w", number, err)
		}
	}
	return nil
}

func atOnce(count int, do func(number int) error) error {
	errors := make([]error, count)
	var group sync.WaitGroup
	for i := range errors {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			errors[i] = do(i)
		}(i)
	}
	group.Wait()
	for _, err := range errors {
		if err != nil {
			return fmt.Errorf("at once: %w", err)
		}
	}
	return nil
}

func try(path string, of form, idle time.Duration) error {
	connection, err := dial(path, of)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer connection.Close()
	time.Sleep(idle)
	client := pb.NewTestServiceClient(connection)
	steps := []func() error{
		func() error { return unary(client, 0) },
		func() error { return duplex(client) },
		func() error { return longMetadata(client) },
		func() error { return inTurn(client) },
		func() error { return atOnce(connections, func(number int) error { return unary(client, number) }) },
		func() error {
			return atOnce(connections, func(number int) error {
				own, err := dial(path, of)
				if err != nil {
					return err
				}
				defer own.Close()
				return unary(pb.NewTestServiceClient(own), number)
			})
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	path := os.Args[1]
	idle, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	for _, of := range forms(path) {
		if err := try(path, of, time.Duration(idle)*time.Millisecond); err != nil {
			fmt.Printf("FAILED %s: %v\n", of.name, err)
		} else {
			fmt.Printf("ok %s\n", of.name)
		}
	}
}
