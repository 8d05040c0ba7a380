import hiredis,socket,select,time,sys
sys.path.insert(0,'.')
from benchmarks.redis_door_bells import Wire
w=Wire(3); f=Wire(2)
f.call("DEL","dbA","dbB","dbz")
print(w.call("CLIENT","TRACKING","ON","NOLOOP"))
s="redis.call('RPOP','dbA',5) redis.call('EXISTS',KEYS[1],KEYS[2]) redis.call('ZRANGE',KEYS[3],0,0,'WITHSCORES') return 1"
f.call("LPUSH","dbA","1")
print(w.call("EVAL",s,"3","dbA","dbB","dbz"), w.pushes)
def look(t):
    print(t, select.select([w.socket],[],[],0.2)[0] and w.rung(), w.pushes)
look("nothing")
f.call("LPUSH","dbA","x"); look("A")
f.call("LPUSH","dbA","x"); look("none")
f.call("LPUSH","dbB","x"); look("B")
f.call("ZADD","dbz","1","x"); look("z")
print(w.call("EVAL",s,"3","dbA","dbB","dbz"))
w.call("LPUSH","dbA","1"); look("own: none")
f.call("LPUSH","dbA","1"); look("foreign after own?")
w.call("EVAL",s,"3","dbA","dbB","dbz")
f.call("EVAL","redis.call('LPUSH','dbA','1') redis.call('SELECT','13') redis.call('SET','dbx','1') return 1","0"); look("script foreign")
print(w.call("EVAL","redis.call('SELECT','13') local r=redis.call('GET','dbx') redis.call('SELECT','12') return r","0"))
f.call("EVAL","redis.call('SELECT','13') redis.call('DEL','dbx') return 1","0")
# subscriber with RESP3 on same connection
f.call("DEL","dbA","dbB","dbz")
