// The examples of the guide to baaaht's gRPC in the language in which it prints them: client SOCKET AUTHORITY.
//
// An agent that answers "You said: ..." must be connected. Prints `ok NAME` for each example; ends with 1 at the first
// that fails.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	common "workbench/common/v1"
	gateway "workbench/gateway/v1"
	proto "workbench/orchestrator/v1"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(what string, isRight bool, actual interface{}) {
	if !isRight {
		log.Fatalf("FAILED %s: %v", what, actual)
	}
	fmt.Println("ok", what)
}

func dial(ctx context.Context, path, authority string) *grpc.ClientConn {
	connection, err := grpc.DialContext(ctx, "passthrough:///workbench", grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	check(err)
	return connection
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	connection := dial(ctx, os.Args[1], os.Args[2])
	defer connection.Close()

	health, err := grpc_health_v1.NewHealthClient(connection).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: "orchestrator"})
	check(err)
	expect("health", health.Status == grpc_health_v1.HealthCheckResponse_SERVING, health)

	client := proto.NewOrchestratorServiceClient(connection)
	created, err := client.CreateSession(ctx, &proto.CreateSessionRequest{
		Metadata: &proto.SessionMetadata{Name: "my-session", OwnerId: "user-123"},
		Config: &proto.SessionConfig{
			MaxContainers:  10,
			IdleTimeoutNs:  3600_000_000_000,
			ResourceLimits: &common.ResourceLimits{NanoCpus: 1_000_000_000},
		},
	})
	check(err)
	expect("session", created.Session.State == proto.SessionState_SESSION_STATE_ACTIVE, created)

	messages(ctx, client, created.SessionId)
	events(ctx, client, created.SessionId)
	chat(ctx, gateway.NewGatewayServiceClient(connection))

	_, err = client.GetSession(ctx, &proto.GetSessionRequest{SessionId: "session-123"})
	known, isStatus := status.FromError(err)
	expect("errors", isStatus && known.Code() == codes.NotFound && known.Message() == "session not found: session-123", err)

	closed, err := client.CloseSession(ctx, &proto.CloseSessionRequest{SessionId: created.SessionId})
	check(err)
	expect("close", closed.State == proto.SessionState_SESSION_STATE_CLOSED, closed)
}

// Sends all from a goroutine that then closes its side, and reads to the end.
func messages(ctx context.Context, client proto.OrchestratorServiceClient, sessionID string) {
	stream, err := client.StreamMessages(ctx)
	check(err)
	go func() {
		for _, text := range []string{"one", "two"} {
			message := &proto.Message{Role: proto.MessageRole_MESSAGE_ROLE_USER, Content: text}
			check(stream.Send(&proto.StreamMessageRequest{
				SessionId: sessionID,
				Payload:   &proto.StreamMessageRequest_Message{Message: message},
			}))
		}
		check(stream.CloseSend())
	}()
	answers := ""
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		answers += answer.GetMessage().GetContent() + "\n"
	}
	expect("messages", answers == "You said: one\nYou said: two\n", answers)
}

func events(ctx context.Context, client proto.OrchestratorServiceClient, sessionID string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.SubscribeEvents(ctx, &proto.SubscribeEventsRequest{
		Filter: &proto.EventFilter{Type: proto.EventType_EVENT_TYPE_SESSION_UPDATED, SessionId: sessionID},
	})
	check(err)
	// Comes once the subscription stands.
	_, err = stream.Header()
	check(err)
	_, err = client.UpdateSession(ctx, &proto.UpdateSessionRequest{
		SessionId: sessionID,
		Metadata:  &proto.SessionMetadata{Name: "renamed"},
	})
	check(err)
	event, err := stream.Recv()
	check(err)
	expect("events", event.Data["name"] == "renamed" && event.Metadata.SessionId == sessionID, event)
}

func chat(ctx context.Context, client gateway.GatewayServiceClient) {
	created, err := client.CreateGatewaySession(ctx, &gateway.CreateGatewaySessionRequest{
		Metadata: &gateway.GatewaySessionMetadata{Name: "web-session", ClientType: "web", UserId: "user-123"},
		Config: &gateway.GatewaySessionConfig{
			EnableStreaming: true,
			StreamConfig:    &gateway.StreamConfig{ChunkSize: 4, EnableDelta: true},
		},
	})
	check(err)
	stream, err := client.StreamChat(ctx)
	check(err)
	message := &gateway.GatewayMessage{Role: gateway.GatewayMessageRole_GATEWAY_MESSAGE_ROLE_USER, Content: "Hello!"}
	check(stream.Send(&gateway.StreamChatRequest{
		SessionId: created.SessionId,
		Payload:   &gateway.StreamChatRequest_Message{Message: message},
	}))
	check(stream.CloseSend())
	text, chunks := "", 0
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		text += answer.GetChunk().GetText()
		chunks++
	}
	expect("chat", text == "You said: Hello!" && chunks == 4, text)
}
