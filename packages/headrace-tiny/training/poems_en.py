"""English verse: rhymed couplets by theme.

A poem is an opening couplet, perhaps a middle one, and a closing one, so that every
combination makes sense and none repeats a line.
"""

# theme -> (openings, middles, closings); a couplet is "line / line"
THEMES = {
    "spring": (
        ["Green buds awake on every tree / And robins sing for you and me", "The snow has gone, the brook runs clear / The first small violets appear",
         "A soft wind opens every door / And paints the garden green once more", "The earth takes off its coat of white / And wears a dress of morning light"],
        ["The rain comes down in silver thread / To wake the tulips in their bed", "The swallows stitch the April sky / The kites of children learn to fly",
         "The orchard hums with early bees / And petals drift on every breeze", "The lambs are running on the hill / Beside the turning water mill"],
        ["O gentle season, fresh and bright / You turn the longest dark to light", "And in my heart, as in the ground / A green and growing thing is found",
         "So let us walk where blossoms fall / For spring has come to wake us all", "The world is young, the day is long / And every branch has learned a song"],
    ),
    "summer": (
        ["The sun lies golden on the sea / The hours are slow, the days are free", "The fields are warm with yellow wheat / The dusty road is soft with heat",
         "The windows stand all open wide / And let the summer come inside", "The morning wakes before the clock / The boats are dancing at the dock"],
        ["The crickets sing in drowsy shade / The children sell their lemonade", "A thunder cloud comes rolling near / Then leaves the evening cool and clear",
         "The peaches ripen on the wall / I hear the far-off seagulls call", "The fireflies light their little lamps / Above the meadow's evening damps"],
        ["And when the stars come out at last / We wish the days were not so fast", "O stay a while, you golden time / Of berries, bees and lazy rhyme",
         "I keep a seashell from the shore / To hear the summer sing once more", "The warm night hums, the moon is high / And summer dreams go drifting by"],
    ),
    "autumn": (
        ["Red leaves come drifting down the hill / The morning air is bright and chill", "The geese fly south in silver lines / The mist is sleeping in the pines",
         "The harvest moon is round and low / Above the fields where pumpkins grow", "The apples shine on every bough / The summer is a story now"],
        ["A squirrel hides its winter store / And leaves are knocking at my door", "The maples burn in gold and red / The path is like a royal bed",
         "The smoke is curling blue and thin / The lamps are lit, the cats come in", "The rain is soft upon the grass / And watches all the seasons pass"],
        ["So let it go, the leaf, the year / For what we love is always near", "The wind can take the leaves away / But not the colours of the day",
         "I gather chestnuts, songs and light / To warm me through the winter night", "And every falling leaf will bring / A quiet promise of the spring"],
    ),
    "winter": (
        ["The snow falls softly on the town / And wraps it in a silver gown", "The lake is still, the woods are white / The frost has drawn its ferns all night",
         "The windows glow, the streets are deep / The garden lies in quiet sleep", "The north wind sings an ancient tune / Beneath a thin and frosty moon"],
        ["The fire is warm, the kettle sings / The table holds such simple things", "A red bird on a bough of snow / Is all the colour that I know",
         "The children shout, the sledges fly / The breath of horses fills the sky", "We tell old stories, one by one / Until the candle's light is done"],
        ["And under ice and under stone / The spring is waiting, not alone", "The night is long, but friends are near / And that is warmth for all the year",
         "So sleep, white world, till you are green / And keep the dreams that you have seen", "The cold may knock, it can't come in / Where love and light and song have been"],
    ),
    "the moon": (
        ["The moon climbs slowly, round and bright / And pours her silver on the night", "A lantern hangs above the hill / And all the sleeping world is still", "O moon, you sail a quiet sea / And throw a silver rope to me"],
        ["She looks in every window pane / And walks along the country lane", "The owls are calling, soft and low / The river wears her silver glow", "The same moon shines on friends away / And ends for them another day"],
        ["Sleep well, she says, I watch for you / Until the fields are bright with dew", "And when she fades in morning's blue / She leaves a little dream with you", "So far away, so cold, so fair / And yet I always find her there"],
    ),
    "the sea": (
        ["The sea is singing to the sand / In words that no one understands", "The waves come in, the waves go out / The seagulls wheel and dive and shout", "Blue is the water, wide the sky / The little boats go sailing by"],
        ["It carries shells from far away / And leaves them on the beach all day", "The lighthouse winks its patient eye / At every ship that passes by", "The salt wind tells of distant lands / And combs the grasses with its hands"],
        ["O sea, you never rest or sleep / And all our secrets you can keep", "I bring my worries to the shore / The tide takes them, and comes for more", "And when I leave, I hear it still / The blue song follows up the hill"],
    ),
    "rain": (
        ["The rain is tapping on the pane / A thousand drums begin again", "Grey clouds have come across the town / And silver threads are falling down", "It starts with one small drop, then two / And soon the world is washed anew"],
        ["The gutters laugh, the gardens drink / The sky is made of silver ink", "Umbrellas bloom along the street / And puddles dance around our feet", "The tired leaves lift up their heads / The frogs are singing in their beds"],
        ["And when it stops, a bow of light / Will make the quiet evening bright", "I love the song it sings to me / Of root and river, leaf and sea", "So let it rain, I have my tea / A window and a memory"],
    ),
    "home": (
        ["There is a lamp that waits for me / Beside an old and leaning tree", "The door is small, the roof is low / But it is all the world I know", "However far my feet may roam / There is a road that leads me home"],
        ["The kettle sings, the bread is warm / The walls have stood through every storm", "The clock, the chair, the creaking stair / The smell of supper in the air", "My mother's voice, my father's hand / A map that I can understand"],
        ["And when I turn the key at night / My heart is full of quiet light", "No palace has a finer door / Than that one with the wooden floor", "For home is not a place, I find / It is a warmth that fills the mind"],
    ),
    "the stars": (
        ["The stars come out, first one, then ten / Then more than I can count again", "Above the roofs, above the trees / The stars are swimming in the breeze", "Look up, the night has opened wide / A million little lamps inside"],
        ["The sailors steered by them at night / The children wish upon their light", "They shone on kings, they shine on me / They shine on every ship at sea", "One falls and draws a line of gold / A story that is never told"],
        ["So small am I, so great the sky / Yet both of us are here, say I", "And though the day will hide them all / They wait for evening's quiet call", "I keep one star inside my heart / And so we never are apart"],
    ),
    "the wind": (
        ["Who has a voice but not a face / And runs through every open place", "The wind came knocking at my door / With leaves to scatter on the floor", "The wind goes running through the grass / And all the flowers watch it pass"],
        ["It turns the mill, it fills the sail / It tells the clouds a travelling tale", "It combs the wheat, it rings the bell / It knows more songs than it can tell", "It lifts a kite, it steals a hat / It wakes the sleeping tabby cat"],
        ["You cannot hold it in your hand / It sleeps tonight in some far land", "O wind, take me along with you / Across the hills and through the blue", "And when it stops, I hear it still / A quiet breath upon the hill"],
    ),
    "the river": (
        ["The river leaves its home of stone / And finds the valley all alone", "A silver ribbon, long and slow / Is winding through the fields below", "Small river, where do you run to / With all the sky inside of you"],
        ["It sings to reed and stone and tree / It never asks what is to be", "The willows bend to see their face / The ducks go by with gentle grace", "The bridges watch it, old and grey / It gives them back the light of day"],
        ["And all the rivers, great and small / The patient sea will take them all", "So let me go as rivers go / Around the stones, and clear, and slow", "It has no wish to stay or keep / It carries moonlight in its sleep"],
    ),
    "snow": (
        ["It came so softly in the night / And turned the sleeping village white", "A million flakes, and none the same / Came down to earth without a name", "Hush, says the snow, and all is still / The road, the river and the hill"],
        ["It hides the path, it rounds the stone / It gives each branch a silver bone", "The footprints of a fox go by / And end beneath the open sky", "The children build a man of snow / With coal for eyes and cheeks aglow"],
        ["And when the sun comes, warm and wide / It leaves the green it tried to hide", "So white a page, so clean, so new / I write a line of steps for you", "The world is quiet, soft and deep / And even time has gone to sleep"],
    ),
    "night": (
        ["The day puts down its heavy load / And stars walk out along the road", "The night comes on her velvet feet / And turns the lamps on in the street", "The sky grows dark, the birds are still / The moon is waiting at the hill"],
        ["The windows close their yellow eyes / The moth around the lantern flies", "The city hums a sleepy tune / And cats hold council with the moon", "A train calls out from far away / And carries off the last of day"],
        ["Good night, good night, the shadows say / Tomorrow is another day", "And in the dark, so soft and deep / The world is rocking us to sleep", "The night is not the end of light / It lets the smallest star shine bright"],
    ),
    "friendship": (
        ["A friend is like a lamp at night / That turns a stranger's road to light", "We met by chance, we stayed by will / And we are walking, talking still", "There is a bench, a tree, a friend / And afternoons that need not end"],
        ["We share the bread, we share the rain / The jokes we tell and tell again", "You know the words I cannot say / And sit with me the rainy day", "Though miles may lie between us two / A letter brings me back to you"],
        ["Gold may be lost and houses fall / A friend is worth more than them all", "And when our hair is white as snow / We will remember, laugh and know", "So here is my hand, and here is my door / You need not knock, friend, any more"],
    ),
    "the mountain": (
        ["The mountain stands against the sky / And lets a thousand years go by", "Grey stone, white snow and silver cloud / The mountain neither bends nor bowed", "A path goes up through pine and stone / I climb it with the wind alone"],
        ["An eagle turns above the height / Its wings are edged with morning light", "The streams run laughing from its side / To valleys green and far and wide", "Its shadow is the evening's clock / And flowers hide in cracks of rock"],
        ["And from the top the world is small / I hear the silence, that is all", "Stand still, it says, be strong, be slow / And let the little troubles go", "I came to climb it, and I find / It was a mountain in my mind"],
    ),
    "morning": (
        ["The morning comes on golden feet / And wakes the birds along the street", "A line of light, a cup of tea / The new day opens up for me", "The night has gone, the dew is bright / The hills are drinking in the light"],
        ["The baker lifts his wooden door / And sweeps the shadows from the floor", "The rooster calls, the church bells ring / The sparrows have so much to sing", "The curtains breathe, the kettle steams / I shake the dust from all my dreams"],
        ["Whatever yesterday has been / The page of morning is still clean", "So here I stand, with all the day / Before me like an open bay", "Good morning, world, so fresh and new / I have a song, and it is you"],
    ),
    "flowers": (
        ["A seed was sleeping in the ground / It woke and did not make a sound", "The flowers open, one by one / To drink the honey of the sun", "In every garden, row on row / The little lamps of summer glow"],
        ["The rose is red, the lily white / The daisies close their eyes at night", "The bees come by to hear the news / Of pinks and golds and morning blues", "They ask for nothing, only rain / And give us colour back again"],
        ["They do not stay, they do not mind / They leave a scent of joy behind", "I give you one, so small, so true / It says what I would say to you", "And when they fall, they fall to seed / And that is all the hope we need"],
    ),
    "love": (
        ["I did not hear it come that day / It took my hand along the way", "Love is a little word to say / It lights the lamps along the way", "Your name is written in my mind / In letters that the stars designed"],
        ["It is a cup of tea for two / A coat, a street, the rain and you", "It grows like ivy on a wall / So slow, and then it covers all", "It laughs at clocks, it waits at doors / It walks with you on windy shores"],
        ["And all I have and all I do / Is like a road that leads to you", "The years may come, the years may go / My heart has learned the way, I know", "So stay with me, the night is long / And we will turn it into song"],
    ),
    "a cat": (
        ["A cat sits on the window sill / As round and quiet as a hill", "On velvet paws, without a sound / The little tiger walks around", "The cat has found a patch of sun / And thinks the morning's work is done"],
        ["Her tail asks questions of the air / Her whiskers know that you are there", "She hunts a string, she hunts a bee / She hunts the shadow of a tree", "She folds her paws, she shuts her eyes / She looks so very old and wise"],
        ["She is no servant, that is true / But now and then she sits with you", "And when she purrs beside my head / It is the softest thing that's said", "Good night, small queen of chair and mat / The world belongs to every cat"],
    ),
}  # fmt: skip

# For any other subject; {x} is the subject.
GENERAL = (
    ["I sat one evening with my tea / And thought of {x} quietly", "They say that poems come and go / Of {x} there is much to know",
     "A little song I sing today / Of {x}, in my simple way", "The morning came, the light was new / I thought of {x}, as poets do"],
    ["The wind went softly through the trees / And hummed of {x} on the breeze", "The lamp was low, the page was white / I wrote of {x} half the night",
     "Some hearts are closed, and some are wide / And mine has {x} deep inside", "The old clock ticked, the cat lay near / The thought of {x} was warm and dear"],
    ["And so I end this little rhyme / With {x}, till another time", "The stars came out, the day was done / And {x} shone for everyone",
     "Now close the book and dim the light / And dream of {x} through the night", "And though my words are plain and few / This song of {x} is for you"],
)  # fmt: skip

# Other words for a theme.
ALIASES = {
    "autumn": ["autumn", "fall"], "the moon": ["the moon", "moonlight", "the full moon"], "the sea": ["the sea", "the ocean", "the waves"],
    "rain": ["rain", "a rainy day", "the rain"], "home": ["home", "my home", "coming home"], "the stars": ["the stars", "stars", "a starry night"],
    "the wind": ["the wind", "wind"], "the river": ["the river", "a river"], "snow": ["snow", "the snow"], "night": ["night", "the night"],
    "friendship": ["friendship", "friends", "my friend", "a friend"], "the mountain": ["the mountain", "mountains", "a mountain"],
    "morning": ["morning", "the morning", "sunrise"], "flowers": ["flowers", "a flower", "roses"], "love": ["love"],
    "a cat": ["a cat", "cats", "my cat"], "spring": ["spring", "springtime"], "summer": ["summer", "a summer day"], "winter": ["winter", "a winter day"],
}  # fmt: skip
