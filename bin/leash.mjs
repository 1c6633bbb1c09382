// Loaded into the program by its launcher: when the launcher is killed, the program stops cleanly instead of living on
// unseen with the port and the database in its hands.
if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
