package buckets_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// createContainer makes a container in an emulator.
func createContainer(t *testing.T, service, account, key, name string) {
	t.Helper()
	credential, err := azblob.NewSharedKeyCredential(account, key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientWithSharedKeyCredential(service, credential, nil)
	if err == nil {
		_, err = client.CreateContainer(t.Context(), name, nil)
	}
	if err != nil {
		t.Fatalf("create container %s: %v", name, err)
	}
}
