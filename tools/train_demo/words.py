# ruff: noqa: E501 - wordings are data and stay on one line
"""The facts and word lists that the demo model learns."""

from __future__ import annotations


def _pairs(text: str) -> dict[str, str]:
    return dict(item.strip().split(":") for item in text.replace("\n", ",").split(",") if item.strip())


def _words(text: str) -> list[str]:
    return text.split()


CAPITALS = _pairs("""
France:Paris,Germany:Berlin,Italy:Rome,Spain:Madrid,Portugal:Lisbon,England:London,Ireland:Dublin,Austria:Vienna
Switzerland:Bern,Belgium:Brussels,Denmark:Copenhagen,Norway:Oslo,Sweden:Stockholm,Finland:Helsinki,Poland:Warsaw
Hungary:Budapest,Greece:Athens,Turkey:Ankara,Russia:Moscow,Ukraine:Kyiv,Romania:Bucharest,Bulgaria:Sofia
Croatia:Zagreb,Serbia:Belgrade,Egypt:Cairo,Morocco:Rabat,Kenya:Nairobi,Ethiopia:Addis Ababa,Ghana:Accra
Japan:Tokyo,China:Beijing,India:New Delhi,Thailand:Bangkok,Vietnam:Hanoi,Indonesia:Jakarta,Iran:Tehran
Iraq:Baghdad,Israel:Jerusalem,Canada:Ottawa,Mexico:Mexico City,Cuba:Havana,Brazil:Brasilia,Argentina:Buenos Aires
Chile:Santiago,Peru:Lima,Colombia:Bogota,Australia:Canberra,Scotland:Edinburgh,Wales:Cardiff,Iceland:Reykjavik
""")
CITIES = [
    *CAPITALS.values(),
    *_words("Chicago Boston Seattle Sydney Munich Milan Barcelona Amsterdam Dubai Singapore"),
    "New York",
]

OPPOSITES = _pairs("""
hot:cold,big:small,fast:slow,happy:sad,day:night,up:down,left:right,open:closed,light:dark,rich:poor,old:young
early:late,easy:hard,full:empty,good:bad,high:low,long:short,loud:quiet,near:far,new:old,strong:weak,tall:short
thick:thin,true:false,wet:dry,win:lose,black:white,clean:dirty,deep:shallow,first:last,heavy:light,inside:outside
love:hate,push:pull,start:stop,summer:winter,sweet:sour,yes:no,above:below,buy:sell,laugh:cry,alive:dead
""")
BABY_ANIMALS = _pairs("""
dog:puppy,cat:kitten,cow:calf,horse:foal,sheep:lamb,goat:kid,pig:piglet,duck:duckling,hen:chick,lion:cub,bear:cub
deer:fawn,frog:tadpole,goose:gosling,kangaroo:joey,swan:cygnet,owl:owlet,wolf:pup,fox:cub,elephant:calf
""")
SOUNDS = _pairs("""
dog:woof,cat:meow,cow:moo,sheep:baa,pig:oink,duck:quack,lion:roar,horse:neigh,bee:buzz,snake:hiss,owl:hoot
mouse:squeak,frog:ribbit,wolf:howl
""")
COLOURS = _pairs("""
grass:green,snow:white,blood:red,banana:yellow,coal:black,carrot:orange,sky:blue,lemon:yellow,milk:white
strawberry:red,chocolate:brown,cucumber:green,tomato:red,night:black,sun:yellow,ocean:blue,cherry:red,frog:green
pumpkin:orange,cloud:white
""")
# English: Spanish French German
TRANSLATIONS = {
    row.split()[0]: dict(zip(("Spanish", "French", "German"), row.split()[1:], strict=True))
    for row in """
dog perro chien Hund
cat gato chat Katze
house casa maison Haus
water agua eau Wasser
bread pan pain Brot
milk leche lait Milch
book libro livre Buch
sun sol soleil Sonne
moon luna lune Mond
tree árbol arbre Baum
friend amigo ami Freund
red rojo rouge rot
green verde vert grün
blue azul bleu blau
hello hola bonjour hallo
thanks gracias merci danke
yes sí oui ja
no no non nein
apple manzana pomme Apfel
fish pez poisson Fisch
horse caballo cheval Pferd
school escuela école Schule
bird pájaro oiseau Vogel
table mesa table Tisch
day día jour Tag
night noche nuit Nacht
one uno un eins
two dos deux zwei
three tres trois drei
""".strip().splitlines()
}
SPOKEN = _words("""
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
""")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")

# Words the model can spell.  Strawberry is a must.
SPELLED = sorted(set(_words("""
strawberry banana apple cherry orange lemon grape mango peach melon tomato potato carrot onion pepper cheese butter
bread sugar honey coffee water pizza cookie chocolate dog cat horse tiger lion bear rabbit mouse elephant monkey zebra
penguin dolphin spider butterfly house garden window kitchen bottle mirror candle bicycle rocket mountain river island
forest desert summer winter yellow purple green happy puzzle letter school teacher pencil computer python balloon
guitar piano planet galaxy star rainbow dragon pirate
hello world book tree moon sun fish bird chair table friend family music mississippi milk egg door phone red blue
night day snow fire king queen train plane dinner city flower
""")))  # fmt: skip

NAMES = _words("""
Anna Ben Clara David Emma Felix Grace Henry Jack Kate Leo Lily Lucy Mark Maya Mia Nina Noah Oliver Paul Sam Sara
Sophie Tom Zoe Alice Bob Eva Max Nora Peter Simon
Adam Alex Andrew Anton Arthur Brian Carl Carlos Charlie Chris Daniel Dennis Dylan Eric Ethan Frank Fred George
Harry Hugo Ivan Jacob James Jason Joe John Jonas Jose Kevin Liam Logan Louis Lucas Luke Marco Martin Mason Matt
Michael Mike Mohammed Nick Omar Oscar Pablo Patrick Ravi Rob Robert Ryan Sean Stefan Steve Theo Tim Tony Victor Will
Amy Ana Andrea Angela Bella Carla Carol Caroline Chloe Daisy Diana Elena Ella Emily Erica Fiona Hannah Helen Ida Ines
Iris Isabel Jane Jasmine Jenny Jessica Julia Karen Katie Laura Lea Lena Linda Lisa Lola Luna Maria Marie Mary Megan
Molly Nadia Olga Olivia Paula Rachel Rosa Rose Ruby Ruth Sandra Sarah Sofia Susan Tina Vera Victoria Wendy Yuki
""")
HER = frozenset(
    _words("""
Anna Clara Emma Grace Kate Lily Lucy Maya Mia Nina Sara Sophie Zoe Alice Eva Nora
Amy Ana Andrea Angela Bella Carla Carol Caroline Chloe Daisy Diana Elena Ella Emily Erica Fiona Hannah Helen Ida Ines
Iris Isabel Jane Jasmine Jenny Jessica Julia Karen Katie Laura Lea Lena Linda Lisa Lola Luna Maria Marie Mary Megan
Molly Nadia Olga Olivia Paula Rachel Rosa Rose Ruby Ruth Sandra Sarah Sofia Susan Tina Vera Victoria Wendy Yuki
""")
)
THINGS = _words("""
apples oranges books pencils marbles cookies coins stickers cards balls flowers eggs stamps toys pens keys
bananas lemons pears grapes cherries nuts carrots potatoes tomatoes sweets candies chocolates cakes pies buns rolls
cups plates bowls spoons forks bottles boxes bags hats shirts socks shoes rings beads shells stones rocks sticks
leaves roses tulips trees seeds dogs cats birds fish ducks hens sheep cows horses chairs tables lamps candles
tickets letters photos pictures postcards dollars euros cents points dolls blocks bricks kites balloons crayons
erasers rulers notebooks magazines newspapers students people children players cars bikes trucks boats
""")
MORE_HEROES = _words("""
duck cow pig sheep goat hen elephant monkey tiger zebra kitten puppy squirrel hedgehog bee butterfly spider snake
princess prince king queen witch giant ghost fairy mermaid unicorn dinosaur astronaut sailor chef painter doctor
teacher farmer baker train car boat tree star cloud snowman
""")
MORE_FOR_POEMS = _words("""
sun sea rain snow tree rose flower bird bee horse duck fish butterfly night morning spring summer autumn winter
mountain forest garden house boat train bear snowman lamp king queen pirate knight wizard spider elephant
""")
PLACES_IN_A_HOME = _words("kitchen bedroom bathroom garage office hallway garden cellar")

# What documents tell of, and what Python is given.
JOBS = _words("""
doctor teacher farmer baker painter sailor chef pirate knight wizard king queen student
""")
COLORS = _words("""
red blue green yellow orange purple black white brown
""")
PRICED = _words("""
book pencil cup plate lamp chair table hat shirt ring ticket doll ball kite balloon cake cookie pizza coffee bread
cheese bicycle guitar piano clock bottle mirror candle car boat letter picture computer
""")
ROOMS = _words("""
kitchen office garage bedroom bathroom school doctor teacher computer piano garden library telescope
""")
EVENTS = _words("""
party dinner meeting lesson game exam trip concert test show lunch breakfast wedding birthday school swimming football
dance music homework story
""")
FILES = _words("""
notes people friends team class family guests prices shop plan week house school club animals list data info readme
""")
PETS = [
    *BABY_ANIMALS,
    *_words("rabbit mouse bird fish monkey penguin tiger zebra hedgehog snake spider"),
]
VARIABLES = _words("""
x xs y ys a b values numbers data prices scores ages times weights heights temperatures sizes results points counts
samples v n_values lengths marks speeds series readings
""")
TABLES = _words("""
df df df df table data sales frame people orders prices results measurements cities items
""")
COLUMNS = _words("""
price age height weight city name size count score temperature day year total value amount number time length speed
color distance rate points month quantity
""")

_RARE: list[str] = []


def rare() -> list[str]:
    """Words outside the domain, set once from the tokenizer's own vocabulary (see data.py)."""
    return _RARE


def set_rare(found: list[str]) -> None:
    _RARE[:] = found
