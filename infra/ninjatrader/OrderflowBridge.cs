// OrderflowBridge: sends the ticks that NinjaTrader 8 receives (Kinetick or any other feed) to local
// programs, by the line protocol that README.md beside this file describes.
//
// NOT RUN: this source was written against NinjaTrader's documentation and has been neither compiled
// nor run, because that takes Windows and a NinjaTrader installation. The Python client is tested
// against a server that speaks the same protocol (tests/sources/kinetick_server.py).
//
// Install: copy it to Documents\NinjaTrader 8\bin\Custom\AddOns, then press F5 in the NinjaScript
// editor. It listens on 127.0.0.1 only, needs no settings and places no orders.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using NinjaTrader.Cbi;
using NinjaTrader.Data;
using NinjaTrader.NinjaScript;

namespace NinjaTrader.NinjaScript.AddOns
{
    public class OrderflowBridge : AddOnBase
    {
        private const int Port = 6790;

        private Orderflow.BridgeServer server;

        protected override void OnStateChange()
        {
            if (State == State.SetDefaults)
            {
                Name = "OrderflowBridge";
                Description = "Sends ticks to local programs, one JSON object a line.";
            }
            else if (State == State.Active)
            {
                server = new Orderflow.BridgeServer(Port, message => Print("OrderflowBridge: " + message));
                server.Start();
            }
            else if (State == State.Terminated && server != null)
            {
                server.Stop();
                server = null;
            }
        }
    }
}

// All add-ons of a user are compiled together: what is ours has a name space of its own.
namespace NinjaTrader.NinjaScript.AddOns.Orderflow
{
    // Accepts clients on loopback; one thread a client, one feed an instrument.
    internal sealed class BridgeServer
    {
        private readonly TcpListener listener;
        private readonly Action<string> report;
        private readonly ConcurrentDictionary<string, Feed> feeds =
            new ConcurrentDictionary<string, Feed>();
        private readonly ConcurrentDictionary<Client, bool> clients =
            new ConcurrentDictionary<Client, bool>();
        private readonly object opening = new object();
        private Timer heartbeat;
        private volatile bool stopping;

        public BridgeServer(int port, Action<string> report)
        {
            listener = new TcpListener(IPAddress.Loopback, port);
            this.report = report;
        }

        public void Start()
        {
            listener.Start();
            Thread thread = new Thread(Accept) { IsBackground = true, Name = "OrderflowBridge" };
            thread.Start();
            heartbeat = new Timer(Beat, null, 1000, 1000);
        }

        public void Stop()
        {
            stopping = true;
            heartbeat.Dispose();
            listener.Stop();
            foreach (Client client in clients.Keys)
                client.Close();
            foreach (Feed feed in feeds.Values)
                feed.Close();
        }

        private void Accept()
        {
            while (!stopping)
            {
                TcpClient socket;
                try
                {
                    socket = listener.AcceptTcpClient();
                }
                catch (SocketException error)
                {
                    if (!stopping)
                        report("stopped listening: " + error.Message);
                    return;
                }
                Client client = new Client(socket);
                clients[client] = true;
                Thread thread = new Thread(() => Serve(client)) { IsBackground = true };
                thread.Start();
            }
        }

        private void Serve(Client client)
        {
            Feed feed = null;
            try
            {
                Question question = Question.Parse(client.ReadLine());
                if (question == null)
                {
                    client.Refuse("bad_request", "the first line must be a subscription, version 1");
                    return;
                }
                feed = Open(question.Instrument);
                if (feed == null)
                {
                    client.Refuse("unknown_instrument", question.Instrument);
                    return;
                }
                feed.Join(client, question);
                client.WriteUntilClosed();
            }
            catch (IOException)
            {
                // The client has left: it asks again for what it missed.
            }
            catch (Exception error)
            {
                report(error.Message);
            }
            finally
            {
                if (feed != null)
                    feed.Leave(client);
                bool ignored;
                clients.TryRemove(client, out ignored);
                client.Close();
            }
        }

        // A feed stays open without clients, so that a client that comes back finds what it missed.
        private Feed Open(string name)
        {
            lock (opening)
            {
                Feed feed;
                if (feeds.TryGetValue(name, out feed))
                    return feed;
                Instrument instrument = Instrument.GetInstrument(name);
                if (instrument == null)
                    return null;
                feed = new Feed(name, instrument);
                feeds[name] = feed;
                return feed;
            }
        }

        private void Beat(object state)
        {
            foreach (Feed feed in feeds.Values)
                feed.Beat();
        }
    }

    // The subscription line of a client.
    internal sealed class Question
    {
        private static readonly Regex Version = new Regex("\"v\":1[,}]");
        private static readonly Regex Type = new Regex("\"type\":\"S\"");
        private static readonly Regex Inst = new Regex("\"inst\":\"([A-Za-z0-9 ._-]{1,40})\"");
        private static readonly Regex AfterSeq = new Regex("\"after\":([0-9]{1,18})[,}]");
        private static readonly Regex AfterTime = new Regex("\"after_ts\":\"([0-9TZ:.-]{0,40})\"");

        public string Instrument { get; private set; }
        public long After { get; private set; }
        public string AfterTs { get; private set; }

        public static Question Parse(string line)
        {
            if (line == null || !Version.IsMatch(line) || !Type.IsMatch(line))
                return null;
            Match inst = Inst.Match(line), after = AfterSeq.Match(line), time = AfterTime.Match(line);
            if (!inst.Success || !after.Success || !time.Success)
                return null;
            return new Question
            {
                Instrument = inst.Groups[1].Value,
                After = long.Parse(after.Groups[1].Value, CultureInfo.InvariantCulture),
                AfterTs = time.Groups[1].Value,
            };
        }
    }

    // The ticks of one instrument: numbered, kept for clients that come back, sent to those here.
    internal sealed class Feed
    {
        private const int Memory = 500000;

        private readonly object gate = new object();
        private readonly string name;
        private readonly MarketData data;
        private readonly Instrument instrument;
        private readonly Queue<byte[]> kept = new Queue<byte[]>();
        private readonly HashSet<Client> clients = new HashSet<Client>();
        private readonly long start;
        private long last;
        private double bid, ask;
        private long bidSize, askSize;

        public Feed(string name, Instrument instrument)
        {
            this.name = name;
            this.instrument = instrument;
            // UTC microseconds: a later start begins beyond every number of an earlier one.
            start = (DateTime.UtcNow.Ticks - new DateTime(1970, 1, 1).Ticks) / 10;
            last = start - 1;
            data = new MarketData(instrument);
            instrument.Dispatcher.InvokeAsync(() => data.Update += OnUpdate);
        }

        public void Close()
        {
            instrument.Dispatcher.InvokeAsync(() => data.Update -= OnUpdate);
        }

        // Hello, what the client missed, and from here on everything: in one lock, so nothing falls
        // between them.
        public void Join(Client client, Question question)
        {
            lock (gate)
            {
                long oldest = last - kept.Count + 1;
                bool isFresh = question.After == 0;
                bool isRestart = !isFresh && (question.After < start - 1 || question.After > last);
                long first = isFresh ? last + 1
                    : isRestart ? oldest
                    : Math.Max(question.After + 1, oldest);
                client.Send(Line(
                    "{{\"v\":1,\"type\":\"H\",\"inst\":\"{0}\",\"after\":{1},\"after_ts\":\"{2}\"," +
                    "\"first\":{3},\"restart\":{4}}}",
                    name, question.After, question.AfterTs, first, isRestart ? "true" : "false"));
                long seq = oldest;
                foreach (byte[] line in kept)
                    if (seq++ >= first)
                        client.Send(line);
                clients.Add(client);
            }
        }

        public void Leave(Client client)
        {
            lock (gate)
                clients.Remove(client);
        }

        public void Beat()
        {
            lock (gate)
            {
                byte[] line = Line(
                    "{{\"v\":1,\"type\":\"P\",\"inst\":\"{0}\",\"seq\":{1},\"ts\":\"{2}\"}}",
                    name, last, Iso(DateTime.UtcNow));
                foreach (Client client in clients)
                    client.Send(line);
            }
        }

        private void OnUpdate(object sender, MarketDataEventArgs e)
        {
            if (e.IsReset)
                return;
            lock (gate)
            {
                if (e.MarketDataType == MarketDataType.Last)
                    SendTrade(e);
                else if (e.MarketDataType == MarketDataType.Bid)
                {
                    bid = e.Price;
                    bidSize = e.Volume;
                    SendQuote("B", e);
                }
                else if (e.MarketDataType == MarketDataType.Ask)
                {
                    ask = e.Price;
                    askSize = e.Volume;
                    SendQuote("A", e);
                }
            }
        }

        private void SendTrade(MarketDataEventArgs e)
        {
            Send(
                "{{\"v\":1,\"type\":\"L\",\"inst\":\"{0}\",\"seq\":{1},\"ts\":\"{2}\",\"px\":\"{3}\"," +
                "\"vol\":\"{4}\",\"bid\":\"{5}\",\"ask\":\"{6}\"}}",
                name, last + 1, Utc(e.Time), Text(e.Price), e.Volume, Side(e.Bid), Side(e.Ask));
        }

        private void SendQuote(string type, MarketDataEventArgs e)
        {
            // Half a quote is none: nothing is sent, and no number used, until both sides are there.
            if (bid <= 0 || ask <= 0 || bidSize <= 0 || askSize <= 0)
                return;
            Send(
                "{{\"v\":1,\"type\":\"{0}\",\"inst\":\"{1}\",\"seq\":{2},\"ts\":\"{3}\",\"bid\":\"{4}\"," +
                "\"bidvol\":\"{5}\",\"ask\":\"{6}\",\"askvol\":\"{7}\"}}",
                type, name, last + 1, Utc(e.Time), Text(bid), bidSize, Text(ask), askSize);
        }

        private void Send(string format, params object[] values)
        {
            byte[] line = Line(format, values);
            last++;
            kept.Enqueue(line);
            if (kept.Count > Memory)
                kept.Dequeue();
            foreach (Client client in clients)
                client.Send(line);
        }

        private static byte[] Line(string format, params object[] values)
        {
            return Encoding.UTF8.GetBytes(
                string.Format(CultureInfo.InvariantCulture, format, values) + "\n");
        }

        // A decimal rounds to the 15 digits that a double holds: 5997.25, not 5997.2500000000001.
        private static string Text(double price)
        {
            return ((decimal)price).ToString(CultureInfo.InvariantCulture);
        }

        private static string Side(double price)
        {
            return price > 0 ? Text(price) : "";
        }

        // NinjaTrader stamps in the zone of its general options. In the hour that autumn repeats, the
        // pass that lies nearer to this PC's clock is meant.
        private static string Utc(DateTime time)
        {
            TimeZoneInfo zone = NinjaTrader.Core.Globals.GeneralOptions.TimeZoneInfo;
            DateTime wall = DateTime.SpecifyKind(time, DateTimeKind.Unspecified);
            if (!zone.IsAmbiguousTime(wall))
                return Iso(TimeZoneInfo.ConvertTimeToUtc(wall, zone));
            DateTime now = DateTime.UtcNow, best = DateTime.MinValue;
            foreach (TimeSpan offset in zone.GetAmbiguousTimeOffsets(wall))
            {
                DateTime utc = DateTime.SpecifyKind(wall - offset, DateTimeKind.Utc);
                if ((utc - now).Duration() < (best - now).Duration())
                    best = utc;
            }
            return Iso(best);
        }

        private static string Iso(DateTime utc)
        {
            return utc.ToString("yyyy-MM-ddTHH:mm:ss.fffffff", CultureInfo.InvariantCulture) + "Z";
        }
    }

    // One connection. Ticks are queued by the data thread and written by the client's own, so a slow
    // reader never holds up NinjaTrader; one that is too slow is cut off and asks again.
    internal sealed class Client
    {
        private const int MaxQueued = 1000000;
        private const int MaxQuestion = 4096;

        private readonly TcpClient socket;
        private readonly NetworkStream stream;
        private readonly BlockingCollection<byte[]> queue = new BlockingCollection<byte[]>();
        private int closed;

        public Client(TcpClient socket)
        {
            this.socket = socket;
            socket.NoDelay = true;
            stream = socket.GetStream();
            stream.ReadTimeout = 5000;
        }

        public string ReadLine()
        {
            StringBuilder text = new StringBuilder();
            while (text.Length < MaxQuestion)
            {
                int letter = stream.ReadByte();
                if (letter < 0)
                    return null;
                if (letter == '\n')
                    return text.ToString();
                text.Append((char)letter);
            }
            return null;
        }

        public void Send(byte[] line)
        {
            if (closed != 0)
                return;
            if (queue.Count >= MaxQueued)
            {
                Close();
                return;
            }
            try
            {
                queue.Add(line);
            }
            catch (InvalidOperationException)
            {
                // Closed by another thread since the test above: nobody waits for the line.
            }
        }

        public void Refuse(string code, string detail)
        {
            byte[] line = Encoding.UTF8.GetBytes(
                "{\"v\":1,\"type\":\"E\",\"code\":\"" + code + "\",\"detail\":\"" + detail + "\"}\n");
            stream.Write(line, 0, line.Length);
        }

        public void WriteUntilClosed()
        {
            foreach (byte[] line in queue.GetConsumingEnumerable())
                stream.Write(line, 0, line.Length);
        }

        public void Close()
        {
            if (Interlocked.Exchange(ref closed, 1) != 0)
                return;
            queue.CompleteAdding();
            socket.Close();
        }
    }
}
