// Asks this container's Gatehouse whether it is ready, under the name people call it by: every other name is refused.
import { get } from 'node:http';

const { GATEHOUSE_PORT: port = '8080', GATEHOUSE_PUBLIC_URL: publicUrl = `http://localhost:${port}` } =
  process.env;
const request = get(
  {
    host: '127.0.0.1',
    port,
    path: '/health/ready',
    headers: { host: new URL(publicUrl).host, 'x-forwarded-proto': 'https' },
    timeout: 4000,
  },
  (response) => {
    response.resume();
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  },
);
request.on('timeout', () => request.destroy(new Error('no answer')));
request.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
