# ruff: noqa: E501 - wordings are data and stay on one line
"""The kinds of tools that the model knows, each in many spellings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import words
from harmony import Parameter

Slots = dict[str, object]


@dataclass(frozen=True)
class Skill:
    """One kind of tool in many spellings.

    `parameters` maps a slot to its type, names and descriptions; `draw` draws the slots of a request and the
    result with its sentence: (slots, result, sentence).
    """

    names: str
    descriptions: str
    parameters: dict[str, tuple[str, str, str]]
    requests: str
    draw: Callable[[Random], tuple[Slots, Slots, str]]
    enums: tuple[tuple[str, tuple[str, ...]], ...] = ()
    optional: Parameter | None = None


def _city(rng: Random) -> str:
    return rng.choice(words.CITIES)


def _weather(rng: Random) -> tuple[Slots, Slots, str]:
    city, degrees = _city(rng), rng.randint(-9, 38)
    sky = rng.choice(("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear", "stormy"))
    key = rng.choice(("temperature", "temp", "temperature_c", "degrees"))
    sky_key = rng.choice(("condition", "conditions", "sky", "weather", "description"))
    result: Slots = {key: degrees, sky_key: sky}
    if rng.random() < 0.3:
        result = dict(reversed(result.items()))
    if rng.random() < 0.2:
        result = {rng.choice(("city", "location")): city, **result}
    return {"city": city}, result, f"It is {sky} in {city}, {degrees} degrees."


def _clock(rng: Random) -> str:
    return f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}"


def _time(rng: Random) -> tuple[Slots, Slots, str]:
    city, clock = _city(rng), _clock(rng)
    return (
        {"city": city},
        {rng.choice(("time", "local_time", "now", "current_time")): clock},
        f"It is {clock} in {city}.",
    )


def _done(rng: Random) -> Slots:
    return rng.choice(
        ({"status": "ok"}, {"ok": True}, {"success": True}, {"status": "done"}, {"result": "ok"})
    )


def _timer(rng: Random) -> tuple[Slots, Slots, str]:
    n = rng.randint(2, 60)
    return {"minutes": n}, _done(rng), f"The timer is set for {n} minutes."


def _alarm(rng: Random) -> tuple[Slots, Slots, str]:
    clock = _clock(rng)
    return {"time": clock}, _done(rng), f"The alarm is set for {clock}."


def calculator(rng: Random) -> tuple[Slots, Slots, str]:
    a, op = rng.randint(0, 999), rng.choice("+-*")
    b = rng.randint(1, 9 if op == "*" else 999)
    expression = f"{a} {op} {b}"
    value = {"+": a + b, "-": a - b, "*": a * b}[op]
    return (
        {"expression": expression},
        {rng.choice(("result", "value", "answer")): value},
        f"{expression} = {value}.",
    )


def _dice(rng: Random) -> tuple[Slots, Slots, str]:
    sides = rng.choice((4, 6, 6, 8, 10, 12, 20, 100))
    n = rng.randint(1, sides)
    return {"sides": sides}, {rng.choice(("result", "value", "roll", "number")): n}, f"You rolled a {n}."


def _music(rng: Random) -> tuple[Slots, Slots, str]:
    genre = rng.choice(
        [
            "jazz",
            "rock",
            "pop",
            "blues",
            "classical",
            "piano",
            "guitar",
            "dance",
            "folk",
            "metal",
            "country",
            "techno",
        ]
    )
    return {"genre": genre}, _done(rng), f"Now playing {genre} music."


def _light(rng: Random) -> tuple[Slots, Slots, str]:
    room, state = rng.choice(words.PLACES_IN_A_HOME), rng.choice(("on", "off"))
    return {"room": room, "state": state}, _done(rng), f"The light in the {room} is {state}."


def _message(rng: Random) -> tuple[Slots, Slots, str]:
    name = rng.choice(words.NAMES)
    text = rng.choice(("I am late", "see you tomorrow", "happy birthday", "call me back", "dinner is ready",
                       "I am at home", "good luck", "the train is late", "thank you", "good night"))  # fmt: skip
    return {"name": name, "text": text}, _done(rng), f"The message to {name} is sent."


def _search(rng: Random) -> tuple[Slots, Slots, str]:
    query, n = rng.choice(words.SPELLED), rng.randint(2, 99)
    key = rng.choice(("results", "hits", "found", "count"))
    return {"query": query}, {key: n}, f"I found {n} results for {query}."


def _distance(rng: Random) -> tuple[Slots, Slots, str]:
    a, b = rng.sample(words.CITIES, 2)
    n = rng.randint(50, 999)
    return (
        {"a": a, "b": b},
        {rng.choice(("km", "distance", "distance_km")): n},
        f"From {a} to {b} it is {n} km.",
    )


def _random(rng: Random) -> tuple[Slots, Slots, str]:
    low, high = sorted(rng.sample(range(1, 200), 2))
    n = rng.randint(low, high)
    return (
        {"low": low, "high": high},
        {rng.choice(("number", "value", "result")): n},
        f"The random number is {n}.",
    )


SKILLS = [
    Skill(
        "[get_|fetch_|lookup_|show_|find_|check_|current_|get_current_|][weather|forecast|weather_report|weather_forecast]|[get|fetch|find|current][Weather|Forecast]",
        "[Get|Gets|Fetch|Return|Returns|Look up|Find|Show] the [current |local |]weather [in|for|of|at] [a|the|a given] [city|location|place][.|]",
        {"city": ("string", "city|location|place|town|city_name|where", "[The |]name of the city[.|]|[The |]city[.|]|City name|[The |]location[.|]|City, for example Paris")},
        """
[what is|what's|how is|how's] the weather [like|] in {city} [today|now|right now|]
[what is|what's|] the [forecast|weather forecast] [in|for] {city}
weather [in|for] {city}
[tell me|show me|get|check|give me|look up|find] the [weather|forecast|current weather] [in|for] {city}
is it [raining|sunny|cold|warm|hot|snowing|windy|nice] in {city} [today|now|right now|]
[do i need|should i take] an umbrella in {city}
how [cold|warm|hot] is it in {city} [today|now|right now|]
[what is|what's] the temperature in {city} [today|now|]
{city} weather [today|now|]
[can|could] you [check|tell me|get] the weather [in|for] {city}
will it rain in {city} [today|]
i am [in|near|on my way to] {city}, what is the weather [like|]
[i|we] [go|travel|drive] to {city} [today|tomorrow|now], [will it rain|is it warm|do i need a coat|how is the weather]
[look at|check|see] the [weather|forecast] [for|of|in] {city} [please|for me|]
how [nice|bad|good] is the weather in {city} [now|today|]
[say|know|see] [if|whether] it [rains|is raining|is cold|is sunny] in {city}
i [want|need] [to know|] the weather [in|of] {city}
~ i am flying to {city}, how is the weather there
~ i wonder what weather they have in {city}
~ tell me if it is warm in {city}
~ please look at the weather of {city} for me
""",
        _weather,
        optional=Parameter("unit", "string", "", ("celsius", "fahrenheit"), False),
    ),
    Skill(
        "[get_|fetch_|lookup_|show_|find_|check_|current_|get_current_|local_|][time|local_time|time_in_city|clock]|[get|current][Time|LocalTime]",
        "[Get|Gets|Fetch|Return|Returns|Look up|Tell|Show] the [current |local |][time|local time] [in|for|of|at] [a|the|a given] [city|location|place][.|]",
        {"city": ("string", "city|location|place|town|timezone|city_name|where", "[The |]name of the city[.|]|[The |]city[.|]|City name|[The |]location[.|]|City, for example Paris")},
        """
what time is it in {city} [now|right now|]
[what is|what's] the [time|local time|current time] in {city} [now|right now|]
[tell me|show me|get|check|give me|look up] the [time|local time|current time] in {city}
time in {city} [now|please|]
how late is it in {city} [now|]
[current|local] time [in|for] {city}
what does the clock say in {city}
{city} time [now|please|]
[can|could] you [check|tell me|get] the time in {city}
i am [in|near] {city}, what time is it
[look at|check|see] the [time|clock] [for|of|in] {city} [please|for me|]
my [mother|boss|brother|sister] is in {city}, what time [is it there|do they have]
i [want|need] [to know|] the time [in|of] {city}
what time do they have in {city}
[say|know|see] how late it is in {city}
~ i want to call {city}, what time is it there
~ my friend lives in {city}, how late is it there
~ please look at the clock in {city} for me
""",
        _time,
    ),
    Skill(
        "[set_|start_|create_|add_|][timer|countdown|kitchen_timer]|[set|start|create]Timer",
        "[Set|Start|Starts|Create] a [timer|countdown][.| for some minutes| in minutes.|]",
        {"minutes": ("integer", "minutes|duration|duration_minutes|length|mins", "[The |]number of minutes[.|]|Minutes[.|]|[The |]duration in minutes[.|]||")},
        """
[set|start|create|make|give me|i need|add] a [timer|countdown] [for|of] {minutes} [minutes|min]
[set|start|create] a {minutes} minute [timer|countdown]
[timer|countdown] [for|of|] {minutes} [minutes|min]
{minutes} [minutes|minute] timer [please|]
[tell|warn|call|wake] me in {minutes} minutes
[can|could] you [set|start] a timer for {minutes} minutes
count down {minutes} minutes
the [cake|pizza|tea|bread] needs {minutes} minutes, [set|start] a timer
i have {minutes} minutes, [set|start|make] a timer
[let|make] a timer run for {minutes} minutes
please [set|start] the timer [for|to] {minutes} minutes
[let me know|ring|say something|tell me] [in|after] {minutes} minutes
[remind|call] me after {minutes} minutes
~ my eggs need {minutes} minutes, start the timer
~ let me know when {minutes} minutes are over
~ please time {minutes} minutes for me
""",
        _timer,
    ),
    Skill(
        "[set_|create_|add_|][alarm|alarm_clock|wake_up_call]|[set|create|add]Alarm",
        "[Set|Sets|Create] an [alarm|alarm clock][.| for a time| at a given time.|]",
        {"time": ("string", "time|at|alarm_time|clock_time|when", "[The |]time of the alarm[.|]|Time as HH:MM|[The |]time[.|]|")},
        """
[set|create|make|add|i need] an alarm [for|at] {time}
wake me [up|] at {time}
alarm [for|at|] {time}
[can|could] you [set an alarm for|wake me at] {time}
set [my|the] alarm [clock|] [to|for] {time}
i [need|have|want] to [get up|wake up] at {time}
i [must|have to|should] [get up|wake up|leave] at {time}[, set an alarm|]
[let|make] the alarm [ring|go off] at {time}
please [set|make] the alarm [for|at] {time}
my [bus|class|work|school] starts early, [wake me at|set an alarm for] {time}
tomorrow [wake me|an alarm] at {time}
the alarm [should|must] ring at {time}
~ i must be awake at {time}
~ please ring the alarm at {time}
~ my train leaves early, alarm at {time}
""",
        _alarm,
    ),
    Skill(
        "[calculator|calculate|compute|evaluate|calc|do_math|math|run_calculation]|eval_expression",
        "[Calculate|Calculates|Compute|Evaluate|Evaluates] [a|an] [expression|arithmetic expression|math expression|sum][.|]",
        {"expression": ("string", "expression|formula|expr|input|calculation", "[The |]expression[.|]|[The |]expression to [evaluate|compute|calculate][.|]|")},
        """
[what is|what's|calculate|compute|work out|find|how much is|evaluate] {expression}
[use|with] the [calculator|tool] [for|to compute|and compute|]: {expression}
{expression}
{expression} =
[can|could] you [calculate|compute] {expression}
[result|value] of {expression}
i need the [result|value|answer] [of|for] {expression}
please [calculate|compute|work out] {expression} [for me|]
[what|how much] does {expression} [make|give|come to]
my teacher wants {expression}, [what is it|what is the answer|help me]
give me the [result|value|answer] of {expression}
let me see {expression}
~ my homework says {expression}, what should i write
~ i would like to see what {expression} makes
~ please give me the result for {expression}
""",
        calculator,
    ),
    Skill(
        "[roll_|throw_|][dice|die|a_die]|[roll|throw]Dice",
        "[Roll|Rolls|Throw] [a|one] [die|dice][.| with some sides| with a number of sides.|]",
        {"sides": ("integer", "sides|faces|n_sides|max|number_of_sides", "[The |]number of sides[.|]|Sides of the die[.|]||")},
        """
[roll|throw] [a|the|one] [die|dice] with {sides} sides
[roll|throw] a {sides} sided [die|dice]
[roll|throw] a d{sides}
[can|could] you [roll|throw] a [die|dice] with {sides} sides
[roll|throw] a {sides}-sided [die|dice]
i need a [roll|throw] of a {sides} sided [die|dice]
i have a [die|dice] with {sides} sides, [roll|throw] it
there is a [die|dice] with {sides} sides, [roll|throw] it [for me|please]
[let|make] a {sides} sided [die|dice] roll
please [roll|throw] the [die|dice] with {sides} sides
a [die|dice] [of|with] {sides} sides, please
what do i [roll|get|throw] with a {sides} sided [die|dice]
~ let the die roll, it has {sides} sides
~ my die has {sides} sides, throw it for me
""",
        _dice,
    ),
    Skill(
        "[play_|start_|][music|song|radio|playlist]|[play|start][Music|Radio]",
        "[Play|Plays|Start] [music|some music|songs][.| of a genre| of some kind.|]",
        {"genre": ("string", "genre|style|kind|music_genre|type", "[The |]genre[.|]|[The |]kind of music[.|]|[The |]style[.|]|")},
        """
[play|start|put on|turn on] [some|a little|] {genre} [music|songs|]
i [want|would like|need] [to hear|to listen to|] [some|] {genre} [music|]
[can|could] you [play|put on] [some|] {genre} [music|]
let's [hear|listen to] [some|] {genre} [music|]
{genre} music [please|now]
i [love|like|need|feel like] {genre} [music|songs|][, play some|, play it|]
[let me|can i|let us] [hear|listen to|have] [some|a bit of|] {genre} [music|songs|]
[make|let] {genre} music [play|start]
[time for|now] [some|a little|] {genre} [music|songs|]
[is there|do you have] [some|any|] {genre} music
my friends [like|want] {genre} music, [play it|play some]
~ fill the room with {genre} music
~ i am in the mood for {genre} music
""",
        _music,
    ),
    Skill(
        "[set_|switch_|turn_|control_|][light|lights|lamp|light_state]|[set|switch|control]Light",
        "[Switch|Turn|Set|Control] [the|a] [light|lamp] [in a room|of a room][ on or off|][.|]",
        {
            "room": ("string", "room|place|location|where|room_name", "[The |]room[.|]|[The |]name of the room[.|]|"),
            "state": ("string", "state|status|switch|value|power", "|[on or off]|[The |]state of the light[.|]"),
        },
        """
[turn|switch] {state} the [light|lamp|lights] in the {room}
[turn|switch] the [light|lamp|lights] in the {room} {state}
[turn|switch] the {room} [light|lamp|lights] {state}
[turn|switch] {state} the {room} [light|lamp|lights]
{room} [light|lights] {state}
[light|lights] {state} in the {room}
[can|could] you [turn|switch] {state} the [light|lights] in the {room}
set the [light|lights] in the {room} to {state}
i [want|need] the {room} [light|lights|lamp] {state}
[make|get|have] the [light|lights] in the {room} [go|be|] {state}
the [light|lamp] in the {room} [should|must] [be|go] {state}
[in|for] the {room}, [turn|switch] {state} the [light|lamp|lights]
please put the {room} [light|lights] {state}
i am in the {room}, [turn|switch] the [light|lights] {state}
~ i want the light in the {room} to be {state}
~ make it so that the {room} light is {state}
""",
        _light,
        (("state", ("on", "off")),),
    ),
    Skill(
        "[send_|write_|post_|][message|text|sms|text_message|mail]|[send|write]Message",
        "[Send|Sends|Write] [a|one] [message|text message|text] [to a person|to someone|to a contact][.|]",
        {
            "name": ("string", "to|name|recipient|person|contact", "[The |]name of the person[.|]|[The |]recipient[.|]|Who gets it|"),
            "text": ("string", "text|message|content|body", "[The |]text[.|]|[The |]text of the message[.|]|What to say|"),
        },
        """
[send|write|text] {name}: {text}
[send|write] [a message|a text] to {name}: {text}
[send|write] {name} [a message|a text]: {text}
tell {name}: {text}
[tell|text|message] {name} that "{text}"
[can|could] you [tell|text|message] {name}: {text}
message [to|for] {name}: {text}
[send|write] "{text}" to {name}
i want to [tell|text|write] {name}: {text}
[say|pass on|forward] to {name}: {text}
{name} [should|must|needs to] [know|hear|read]: {text}
please [tell|text|message|write] {name}: {text}
[text|message|mail] {name} [and say|saying]: {text}
a [message|text] for {name}: {text}
~ let {name} know: {text}
~ i want {name} to read this: {text}
""",
        _message,
    ),
    Skill(
        "[search_|web_|find_|lookup_|][search|web|internet|pages]|[web|internet]Search|search|google",
        "[Search|Searches|Look through] the [web|internet|library][.| for a query| for something.|]",
        {"query": ("string", "query|q|term|search_term|keyword|text", "[The |]query[.|]|[The |]search [term|query][.|]|What to search for|")},
        """
[search|look|google] [the web|the internet|online|] for {query}
[search|look up|google|find] {query} [online|on the web|on the internet]
search [for|] {query}
[can|could] you [search|look] [the web|online] for {query}
[do|run] a [search|web search] [for|about|on] {query}
what does the [internet|web] say about {query}
[find|look for] pages about {query}
i [want|need] [to find|] [something|pages|results|information] [about|on] {query} [online|]
[see|check|look] what [the web|the internet] [has|says] [on|about] {query}
please [search|look up|google] {query} [for me|]
[is there|what is there] [anything|something|] [online|on the web|on the internet] about {query}
[show|give] me [pages|results] [on|about|for] {query}
[look|search] around for {query}
~ i need web pages on {query}
~ see what you can find online for {query}
""",
        _search,
    ),
    Skill(
        "[get_|compute_|find_|][distance|travel_distance|distance_between]|[get|find]Distance",
        "[Get|Return|Compute|Find] the distance [between|of] two [cities|places][.|]",
        {
            "a": ("string", "from|origin|start|city_a|from_city", "[The |]first city[.|]|Where it starts|[The |]start[.|]|"),
            "b": ("string", "to|destination|end|city_b|to_city", "[The |]second city[.|]|Where it ends|[The |]destination[.|]|"),
        },
        """
how far is it from {a} to {b}
how far is {a} from {b}
[what is|what's|tell me|find|get] the distance [from {a} to|between {a} and] {b}
distance [from {a} to|between {a} and] {b}
how many [km|kilometers] is it from {a} to {b}
how [long|far] is the [way|trip|drive] from {a} to {b}
[can|could] you [tell me|find] the distance [from {a} to|between {a} and] {b}
i [drive|go|fly|walk] from {a} to {b}, how [long|far] is [it|the way|the trip]
[i am|we are] in {a}, how far is [it to|] {b}
how many [km|kilometers] [are there|are] [between|from] {a} [and|to] {b}
[between|from] {a} [and|to] {b}, [how far is it|what is the distance|how many km]
i [want|need] [to know|] the distance [from {a} to|between {a} and] {b}
[way|trip|road] from {a} to {b}: how [far|long|many km]
~ i travel from {a} to {b}, how far is that
~ how many kilometers lie between {a} and {b}
""",
        _distance,
    ),
    Skill(
        "[random_|get_random_|draw_|pick_|][number|random_number|integer]|[random|draw|pick]Number",
        "[Get|Return|Draw|Pick] a random number [between two numbers|in a range][.|]",
        {
            "low": ("integer", "low|min|minimum|from|start", "[The |]smallest number[.|]|[The |]minimum[.|]|"),
            "high": ("integer", "high|max|maximum|to|end", "[The |]largest number[.|]|[The |]maximum[.|]|"),
        },
        """
[give me|pick|draw|choose|get|i need] a random number [between {low} and|from {low} to] {high}
[give me|pick|draw|choose|get] a number [between {low} and|from {low} to] {high} [at random|]
random number [between {low} and|from {low} to] {high}
[pick|choose] any number [between {low} and|from {low} to] {high}
i [want|need] [some|any|a] number [between {low} and|from {low} to] {high} [at random|]
[let|make] it be a random number [between {low} and|from {low} to] {high}
[say|name|tell me] [a|any|some] [random|] number [between {low} and|from {low} to] {high}
between {low} and {high}, [pick|draw|choose|give me] a [random|] number
please [draw|pick|choose] a number [between {low} and|from {low} to] {high}
[can|could] you [pick|draw|give me] a random number [between {low} and|from {low} to] {high}
~ surprise me with some number between {low} and {high}
~ by chance, a number from {low} to {high}
""",
        _random,
    ),
]  # fmt: skip
