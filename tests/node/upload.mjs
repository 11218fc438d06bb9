// Uploads a file with tus-js-client: node upload.mjs ENDPOINT TOKEN FILE CHUNK PARALLEL METADATA
// Prints one JSON line: the upload's URL, and how often it had to try again.
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path, chunk, parallel, metadata] = process.argv.slice(2);
let retries = 0;

const upload = new Upload(createReadStream(path), {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: JSON.parse(metadata),
  // Parts have sizes of their own.
  uploadSize: Number(parallel) > 1 ? null : statSync(path).size,
  chunkSize: Number(chunk) || Infinity,
  parallelUploads: Number(parallel),
  storeFingerprintForResuming: false,
  retryDelays: Array(60).fill(100),
  onShouldRetry(error) {
    const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
    if (status !== 0 && status !== 409 && status < 500) return false;
    retries += 1;
    return true;
  },
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess() {
    console.log(JSON.stringify({ url: upload.url, retries }));
  },
});
upload.start();
