#!/usr/bin/env escript
%%! +sbt db
%% Erlang/OTP processes at the exchanges of measurement.hpp: erlang_actors.escript CASE prints a line of JSON.
-mode(compile).

main(["request"]) ->
    Echo = spawn(fun echo/0),
    _ = [ask(Echo) || _ <- lists:seq(1, 20000)],
    Start = now_ns(),
    Times = lists:sort([ask(Echo) || _ <- lists:seq(1, 200000)]),
    Seconds = (now_ns() - Start) / 1.0e9,
    print([{"p50_us", at(0.5, Times) / 1000}, {"p99_us", at(0.99, Times) / 1000}, {"per_second", 200000 / Seconds}]);
main(["one_way"]) ->
    Echo = spawn(fun echo/0),
    push(Echo, 200000, 0),
    Start = now_ns(),
    push(Echo, 3000000, 0),
    print([{"per_second", 3000000 / ((now_ns() - Start) / 1.0e9)}]);
main(["spawn"]) ->
    Self = self(),
    Before = erlang:memory(total),
    Start = now_ns(),
    Pids = [spawn(fun() -> idle(Self) end) || _ <- lists:seq(1, 100000)],
    _ = [receive started -> ok end || _ <- Pids],
    Seconds = (now_ns() - Start) / 1.0e9,
    print([{"per_second", 100000 / Seconds}, {"bytes_each", (erlang:memory(total) - Before) / 100000}]);
main([]) ->
    io:format("request~none_way~nspawn~n");
main(_) ->
    halt(2).

echo() ->
    receive
        {ask, From, Number} -> From ! {answer, Number}, echo();
        {item, _Text} -> echo()
    end.

idle(Parent) ->
    Parent ! started,
    receive go -> ok end.

ask(Echo) ->
    Asked = now_ns(),
    Echo ! {ask, self(), Asked},
    receive {answer, Asked} -> now_ns() - Asked end.

%% Batches of 1024, four of them on the way.
push(_Echo, Left, Open) when Left =< 0 ->
    _ = [receive {answer, _} -> ok end || _ <- lists:seq(1, Open)],
    ok;
push(Echo, Left, 4) ->
    receive {answer, _} -> push(Echo, Left, 3) end;
push(Echo, Left, Open) ->
    batch(Echo, 1024),
    Echo ! {ask, self(), 0},
    push(Echo, Left - 1024, Open + 1).

batch(_Echo, 0) -> ok;
batch(Echo, Left) -> Echo ! {item, <<>>}, batch(Echo, Left - 1).

now_ns() -> erlang:monotonic_time(nanosecond).
at(Share, Sorted) -> lists:nth(max(1, round(Share * length(Sorted))), Sorted).

print(Figures) ->
    Fields = [io_lib:format("\"~s\": ~.6g", [Name, float(Value)]) || {Name, Value} <- Figures],
    io:format("{~s}~n", [string:join([lists:flatten(Field) || Field <- Fields], ", ")]).
