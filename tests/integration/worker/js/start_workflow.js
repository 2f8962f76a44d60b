// Starts workflows by plain JSON messages and prints the replies, one a line.
// node start_workflow.js URL QUEUE BODY...
const amqp = require('amqplib');

async function main([url, queue, ...bodies]) {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.checkQueue(queue); // a worker has declared it, else this fails
  const replyTo = 'amq.rabbitmq.reply-to';
  const replies = new Map();
  const all = new Promise((resolve) => {
    channel.consume(replyTo, (message) => {
      if (replies.has(message.properties.correlationId)) throw new Error('a second reply');
      replies.set(message.properties.correlationId, message.content.toString());
      if (replies.size === bodies.length) resolve();
    }, { noAck: true });
  });
  bodies.forEach((body, number) => {
    const options = { persistent: true, replyTo, correlationId: `c-${number}` };
    channel.sendToQueue(queue, Buffer.from(body), options);
  });
  await channel.waitForConfirms();
  await all;
  bodies.forEach((_, number) => console.log(replies.get(`c-${number}`)));
  await connection.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
