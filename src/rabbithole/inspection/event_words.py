"""What words of events usually mean, in several languages and styles."""

from rabbithole.inspection.names import split_words

VIEW = split_words(
    """
    view view_item product_viewed product_view productview item_view view_product viewed detail
    product_detail detail_view item_detail click clicks clicked pv page_view pageview pageviews
    view_details viewed_product visit browse impression_click ansicht angesehen aufruf produktansicht
    klick artikelansicht seitenaufruf produktaufruf artikelaufruf
    vue consultation voir clic vista ver visualizacao visualizzazione visualizacion bekeken weergave
    wyswietlenie widok visning 浏览 点击 閲覧 look
    просмотр просмотр_товара перегляд goruntuleme zobrazeni 조회 상품조회 商品閲覧 wyswietlenie_produktu
    visualizou_produto visualizou produktseite detailseite product_page
    fiche_produit ficha_producto pagina_prodotto
    ver_producto ver_produto voir_produit vue_produit vista_prodotto vista_producto
    """
)
"""Words for a look at an item, the surest first."""

PRODUCT_FOLDERS = split_words(
    """
    p dp products produkte produits productos produtos prodotti producten produkty produkter items articles
    articulos artigos articoli
    """
)
"""Folders of addresses below which each product has a page."""

CART = split_words(
    """
    addtocart add_to_cart product_added product_added_to_cart cart carts add_cart addcart cart_add
    added_to_cart add_to_basket addtobasket basket add_basket add_to_bag add_bag warenkorb
    in_den_warenkorb panier ajout_panier ajouter_au_panier carrito anadir_al_carrito agregar_al_carrito
    carrinho adicionar_ao_carrinho carrello aggiungi_al_carrello winkelwagen in_winkelwagen koszyk
    dodaj_do_koszyka varukorg kundvagn 加购 加入购物车 カート
    корзина в_корзину добавление_в_корзину кошик sepet sepete_ekle kosik do_kosiku pridat_do_kosiku
    カートに追加 カート追加 カート投入 장바구니 장바구니담기 加购物车 加入购物车 加车 add
    """
)
"""Words for adding to the cart."""

BARE_CART = split_words(
    """
    cart carts basket warenkorb panier carrito carrinho carrello winkelwagen koszyk varukorg kundvagn
    корзина кошик sepet kosik カート 장바구니
    """
)
"""Words that also name the page of the cart."""

PURCHASE = split_words(
    """
    purchase purchased transaction orders_placed buy bought buys order orders ordered order_complete
    order_completed completed_order order_placed placed_order ecommerce_purchase checkout_complete
    checkout_completed purchase_complete sale sold kauf gekauft bestellung bestellt achat achete commande
    compra comprar pedido compro acquisto acquistato ordine aankoop gekocht bestelling zakup zakupiono
    zamowienie kop kopt 购买 購入 order_confirmation order_confirmed payment_success payment_successful
    payment_complete paid thank_you thankyou order_success purchase_success product_purchase
    order_created
    покупка заказ куплено замовлення satin_alma satin_alim siparis nakup objednavka 注文 구매 주문
    bestellung_abgeschlossen bestellung_aufgegeben bestellbestatigung kaufabschluss commande_confirmee
    commande_passee pedido_realizado compra_realizada compra_finalizada ordine_completato
    bestelling_geplaatst bestelbevestiging orderbevestiging orderbekraftelse
    order_received ecommerce_order comprou comprato купил 購入完了 注文完了
    成交 已购买 支付成功 付款成功 구매완료 결제완료 주문완료
    """
)
"""Words for a purchase."""

LIKELY_PURCHASE = split_words(
    """
    revenue_amount
    pay_res payment_result pay_result pay_ok checkout_success success confirmation conversion booking booked
    reservation 支付 付款 下单
    """
)
"""Words that probably mean a purchase, which the written section says."""

BOUGHT = frozenset(
    split_words(
        """
        purchase purchases order checkout payment transaction ecommerce buy sale achat commande paiement
        compra pedido pago pagamento acquisto ordine kauf bestellung zahlung aankoop bestelling betaling zakup
        zamowienie platnosc kop bestallning kasse kassa caisse
        заказ покупка оплата siparis nakup objednavka
        bought purchased ordered gekauft bestellt comprado achete acquistato gekocht
        """
    )
)
"""Parts of words for events that name a purchase."""

DONE = frozenset(
    split_words(
        """
        bought purchased ordered gekauft bestellt comprado achete acquistato gekocht
        complete completed completion confirm confirmed confirmation done finish finished made paid placed
        received erhalten recibido ricevuto ontvangen confirmacion confirmacao conferma
        bevestiging bestatigung potwierdzenie
        submitted succeeded success successful termine terminee confirme confirmee effectue effectuee passee
        validee reussi realizada realizado completada completado finalizada finalizado confirmada confirmado
        concluida concluido efetuada aprovado completato completata confermato confermata effettuato
        abgeschlossen aufgegeben bestatigt erfolgreich afgerond geplaatst bevestigd voltooid zlozone
        zakonczone oplacone slutfort slutford оформлен оформлена завершен завершена подтвержден оплачен
        оплачена совершена tamamlandi onaylandi dokoncena odeslana
        """
    )
)
"""Parts of words for events that say that something was done."""

THANKS = frozenset(
    split_words(
        """
        thank thanks thankyou danke dank dankeseite merci gracias grazie bedankt dziekujemy dziekuje
        podziekowanie obrigado obrigada tack takk kiitos dekujeme спасибо дякуємо tesekkurler
        """
    )
)
"""Words of thanks: the page that a shop shows after a purchase, or after a message or a newsletter."""

AROUND_THANKS = frozenset(split_words("you your u je wel vielen page seite pagina por su tu for"))
"""Words around those of thanks."""

NOT_YET = frozenset(
    split_words(
        """
        abandon abandoned begin begun cancel canceled cancelled click clicked error fail failed filter history
        intent method page refund refunded remove removed return returned start started step view viewed
        """
    )
)
"""Parts of words for events that say that a purchase was not made, or not yet."""

CART_STEMS = split_words(
    """
    cart basket warenkorb panier carrito cesta carrinho carrello winkelwagen winkelmand koszyk varukorg
    kundvagn корзин кошик sepet kosik カート 购物车 장바구니
    """
)
"""Beginnings of words for a cart, and parts of names of files with carts."""

VIEW_STEMS = split_words(
    """
    clic klick view visit browse impression ansicht aufruf consultation visual visning weergave bekeken
    wyswietl odslon просмотр 浏览 点击 閲覧
    """
)
"""Parts of names of files with views."""

PURCHASE_STEMS = split_words(
    """
    buy purchase order transaction sale checkout payment kauf kaeufe bestell achat commande compra pedido
    vendas ventas acquist ordine ordini aankoop zakup zamowien заказ покупк 购买 订单 購入 注文
    """
)
"""Parts of names of files with purchases."""

ADD_STEMS = split_words(
    """
    added adding ajout anad agreg aggiun adicion adicao hinzu gelegt toegevoegd dodan dodaj lagd lagt добав
    ekle prid 追加 加入 담기 추가
    """
)
"""Beginnings of words that say that something was added."""

MAYBE_PURCHASE = split_words(
    """
    checkout payment pay check_out kasse kassa caisse checkout_payment begin_checkout
    оплата odeme platba 결제
    """
)
"""Words that may mean a purchase or only the way to one."""
